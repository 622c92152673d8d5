/* SPDX-License-Identifier: BSL-1.0
 *
 * Mirrors sync/mutex.cpp: lock_until() with its look, its second look under the lock, its place in the line; unlock(), which
 * hands the mutex to the first waiter whose wait nobody has ended. What the wait word does between claim and wake is
 * one_winner.pml's; here a claim wakes.
 *
 * Three tasks lock and unlock it. A canceller ends one wait of the first, a timer one of the second, whenever they like:
 * those tasks then go without it.
 *
 * Holds, in every interleaving: one holder at a time; who was handed the mutex, and was cancelled too late, has it; it is
 * free at the end, with nobody in line; nobody waits for ever.
 *
 * Wrong: 1 unlock() hands it to a waiter whose wait something else has ended; 2 no second look before standing in line;
 * 3 a waiter that gives up stays in line; 4 unlock() frees it when somebody was claimed, too (so that one can overtake).
 */
/* cc: -DCOLLAPSE */
#ifndef WRONG
#define WRONG 0
#endif

#define NOBODY 3
#define bit(n) (1 << (n))

bool locked = false;       /* the mutex's own lock, of the rest of this block */
bool held = false;
byte line[3] = { NOBODY, NOBODY, NOBODY };

byte waiting = 0;          /* bits: from prepare to the end of the wait */
byte claimed = 0;
byte notified = 0;
byte inside = 0;

inline lock_line() { atomic { !locked -> locked = true } }
inline unlock_line() { locked = false }

inline erase(who) {
    atomic {
        if
        :: line[0] == who -> line[0] = line[1]; line[1] = line[2]; line[2] = NOBODY
        :: line[0] != who && line[1] == who -> line[1] = line[2]; line[2] = NOBODY
        :: line[0] != who && line[1] != who && line[2] == who -> line[2] = NOBODY
        :: else
        fi
    }
}

inline push_back(who) {
    atomic {
        if
        :: line[0] == NOBODY -> line[0] = who
        :: line[0] != NOBODY && line[1] == NOBODY -> line[1] = who
        :: else -> line[2] = who
        fi
    }
}

inline unlock_mutex() {
    lock_line();
    first = NOBODY;
    do
    :: first == NOBODY && line[0] != NOBODY ->
        w = line[0];
        assert(waiting & bit(w));
        erase(w);
        atomic {
            if
            :: !(claimed & bit(w)) || WRONG == 1 ->
                claimed = claimed | bit(w);
                notified = notified | bit(w);
                first = w
            :: else
            fi
        }
    :: else -> break
    od;
    held = (first != NOBODY && WRONG != 4);
    unlock_line()
}

proctype user(byte me) {
    byte w;
    byte first;
    bool mine = false;
    bool stands = false;
    /* try_lock() */
    lock_line();
    if
    :: !held -> held = true; mine = true
    :: else
    fi;
    unlock_line();
    if
    :: mine
    :: else ->
        atomic { claimed = claimed & ~bit(me); notified = notified & ~bit(me); waiting = waiting | bit(me) }
        lock_line();
        if
        :: !held && WRONG != 2 -> held = true; mine = true
        :: else -> push_back(me); stands = true
        fi;
        unlock_line();
        if
        :: stands ->
            (claimed & bit(me)) != 0;
            if
            :: notified & bit(me) -> mine = true
            :: else ->
                lock_line();
                if
                :: WRONG != 3 -> erase(me)
                :: else
                fi;
                unlock_line()
            fi
        :: else
        fi;
        waiting = waiting & ~bit(me)
    fi;
    if
    :: mine ->
        inside++;
        assert(inside == 1);
        inside--;
        unlock_mutex()
    :: else
    fi
}

/* A cancellation or a timer. */
proctype interrupt(byte whom) {
    atomic {
        if
        :: (waiting & bit(whom)) && !(claimed & bit(whom)) -> claimed = claimed | bit(whom)
        :: true
        fi
    }
}

init {
    atomic {
        run user(0);
        run user(1);
        run user(2);
        run interrupt(0);
        run interrupt(1)
    }
    _nr_pr == 1;
    assert(!held && line[0] == NOBODY && inside == 0)
}
