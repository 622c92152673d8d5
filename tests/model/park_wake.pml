/* SPDX-License-Identifier: BSL-1.0
 *
 * Mirrors core/park/idle.hpp and idle.cpp: who searches, who sleeps, who is woken. Every step is one access to memory
 * that all share (the word of counters, a worker's bits, the queue), interleaved in every way, but sequentially
 * consistent: what the fences are for is idle_wake_model.cpp's to check, which in turn only tries some interleavings.
 * Claiming a sleeper without making it search is left to that model too.
 *
 * Two items are pushed, by two producers or at once by one. An item, once it runs, blocks its worker until both run: if
 * a wake-up is lost, or a worker sleeps over an item while another one is busy, the model ends in a deadlock. Once, at
 * any moment, a sleeping worker is woken by something else (a timer, a descriptor); or never.
 *
 * Holds: no deadlock; the count of searchers never exceeds their number; sleepers are counted before they are found.
 *
 * Wrong: 1 the parker looks at the queue before it announces its sleep, not after; 2 the last searcher to find
 * something wakes nobody; 3 a parker that did not search never looks at the queue again; 4 a chosen worker that stops
 * searching before its chooser has counted it wakes nobody.
 */
/* cc: -DSAFETY -DCOLLAPSE */
/* pan: -m100000 */
#ifndef WRONG
#define WRONG 0
#endif

#define WORKERS 3
#define MAX_SEARCHERS 1
#define ITEMS 2
#define NOBODY 255

mtype = { awake, asleep, chosen };

/* The word of counters: both are read or changed in one step. */
short searchers = 0;
short sleepers = 0;
mtype bits[WORKERS] = awake;
bool token[WORKERS] = false; /* each worker's eventfd */

byte queue = 0;
byte running = 0;
bool other_wake_used = false;

short truly_searching = 0; /* for assertions only */

#define over (running == ITEMS)

inline check() { assert(searchers <= truly_searching && sleepers >= 0) }

/* choose_sleeper_to_wake() behind its fence, and the wake. The bits of 32 workers are one word: one step. */
inline choose_and_wake() {
    atomic { picked = (searchers <= 0 && sleepers > 0 -> 0 : NOBODY) }
    atomic {
        do
        :: picked < WORKERS ->
            if
            :: bits[picked] == asleep -> bits[picked] = chosen; truly_searching++; break
            :: else -> picked++
            fi
        :: else -> picked = NOBODY; break
        od
    }
    if
    :: picked != NOBODY ->
        atomic { searchers++; sleepers--; check() }
        atomic { token[picked] = true; picked = NOBODY }
    :: else
    fi
}

proctype producer(byte items) {
    byte picked = NOBODY;
    queue = queue + items;
    choose_and_wake()
}

proctype worker(byte self) {
    bool searching = false;
    bool found = false;
    mtype before = awake;
    byte picked = NOBODY;

search:
    /* try_start_searching() */
    atomic {
        if
        :: over -> goto end_over
        :: !over && !searching && searchers < MAX_SEARCHERS ->
            searchers++; truly_searching++; searching = true; check()
        :: !over && !searching && searchers >= MAX_SEARCHERS -> goto park
        :: !over && searching
        fi
    }
    atomic {
        if
        :: queue == 0 -> goto park
        :: else -> queue--
        fi
    }
    /* stop_searching() */
    atomic {
        found = (searchers == 1 || (searchers < 1 && WRONG != 4)) && WRONG != 2;
        searchers--; truly_searching--; searching = false; check();
        if
        :: !found -> goto run_item
        :: else -> found = false
        fi
    }
    if
    :: queue == 0 -> goto run_item
    :: else
    fi;
    choose_and_wake();
run_item:
    running++;
    over -> goto end_over;

park:
    if
    :: WRONG == 1 -> found = queue > 0
    :: else
    fi;
    /* prepare_to_park(); `before` says for a while whether this worker searched */
    atomic {
        sleepers++;
        if
        :: searching -> searchers--; truly_searching--; searching = false; before = chosen
        :: else
        fi;
        check()
    }
    atomic { assert(bits[self] == awake); bits[self] = asleep }
    atomic {
        if
        :: searchers > 0 || (WRONG == 3 && before != chosen) -> before = awake; found = false; goto block
        :: else -> before = awake
        fi
    }
    atomic {
        if
        :: (WRONG != 1 && queue == 0) || (WRONG == 1 && !found) -> found = false; goto block
        :: else -> found = false
        fi
    }
    /* cancel_park() */
    atomic {
        before = bits[self]; bits[self] = awake; searching = true;
        if
        :: before == chosen -> before = awake; goto search
        :: else -> before = awake; truly_searching++
        fi
    }
    atomic { searchers++; sleepers--; check(); goto search }

block:
    if
    :: atomic { token[self] -> token[self] = false }
    :: atomic { !other_wake_used -> other_wake_used = true }
    :: over -> goto end_over
    fi;
    /* leave_park() */
    atomic {
        before = bits[self]; bits[self] = awake;
        if
        :: before == chosen -> searching = true; before = awake; goto search
        :: else -> before = awake
        fi
    }
    atomic { sleepers--; check(); goto search }

end_over:
    skip
}

init {
    atomic {
        if
        :: run producer(1); run producer(1)
        :: run producer(2)
        fi;
        run worker(0);
        run worker(1);
        run worker(2)
    }
}
