/* SPDX-License-Identifier: BSL-1.0
 *
 * Mirrors core/sched/blocking_word.hpp, section_watch.hpp and section_watch.cpp: whose a worker is while its task may
 * block the thread. Every step is one access to memory that several share; the accesses are seq_cst or, of the word, one
 * compare-exchange each.
 *
 * Two tasks share one worker. Each has a section that is over at once, and one that lasts until both are inside one: so the
 * worker must go on while the first of them lasts. The monitor looks when it is woken, and at any moment while it watches;
 * it may end the watch whenever a look has found nothing new.
 *
 * Holds, in every interleaving: a worker is carried by one thread at a time, and goes back to the one that left it; a section
 * that lasts is handed over.
 *
 * Wrong: 1 the monitor ends its watch without another look; 2 the task looks whether anybody watches before it lets go of
 * the worker; 3 the monitor takes what it has read to be free, without a compare-exchange; 4 the word is a flag.
 */
/* cc: -DSAFETY */
#ifndef WRONG
#define WRONG 0
#endif

#define TASKS 2
#define odd(x) ((x) % 2 != 0)
#define after(x) (WRONG == 4 -> 1 - (x) : (x) + 1)

byte word = 0;
bool on = false;
bool token = false;    /* the monitor's */
byte carriers = 1;     /* threads that carry the worker */
bool runs_none = true; /* the worker is carried, and can take a task */
byte left_by = 0;      /* whose section the word stands for */
byte inside = 0;       /* in sections that last */
byte ended = 0;

inline carry() {
    carriers++;
    assert(carriers == 1)
}

/* monitor::section_begins() */
inline see_to_a_watch() {
    if
    :: on
    :: else ->
        atomic {
            woke = !on;
            on = true
        }
        if
        :: woke -> token = true
        :: else
        fi
    fi;
    woke = false
}

inline section(lasts) {
    number = after(word);
    atomic { carriers--; left_by = _pid }
    if
    :: WRONG == 2 -> see_to_a_watch(); word = number
    :: else -> word = number; see_to_a_watch()
    fi;
    if
    :: lasts -> inside++; inside == TASKS
    :: else
    fi;
    /* take_back() */
    atomic {
        back = (word == number);
        if
        :: back -> word = after(number); carry(); assert(left_by == _pid)
        :: else
        fi
    }
    if
    :: back
    :: else -> atomic { runs_none -> runs_none = false }
    fi
}

active [TASKS] proctype task() {
    byte number = 0;
    bool woke = false;
    bool back = false;
    atomic { runs_none -> runs_none = false }
    section(false);
    section(true);
    atomic { ended++; runs_none = true }
}

active proctype monitor() {
    byte seen = 0;
    byte now = 0;
    bool news = false;
    do
    :: ended == TASKS -> break
    :: token || on ->
        token = false;
        now = word;
        news = (now != seen);
        if
        :: !news && odd(now) ->
            /* take() */
            atomic {
                if
                :: word == now || WRONG == 3 -> word = after(now); carry(); runs_none = true
                :: else
                fi
            }
        :: else
        fi;
        seen = now;
        if
        :: on && !news ->
            on = false;
            if
            :: WRONG != 1 && odd(word) -> on = true
            :: else
            fi
        :: true
        fi
    od
}
