/* SPDX-License-Identifier: BSL-1.0
 *
 * Mirrors sync/select.cpp (wait_in_all, select_one) over sync/detail/item_exchange.hpp (try_push, try_pop, enlist,
 * withdraw) without a buffer: how waiters that stand in several lines meet. What the wait word does between claim and
 * wake is one_winner.pml's; here a claim is one step and a wake another.
 *
 * Two selects and two plain waiters. S0: push on A or pop on B. S1: pop on A or push on B. P: push on B. Q: pop on B. S0 is
 * cancelled once, wherever that hits, and then tries again. Whoever meets whom, all come through.
 *
 * Holds, in every interleaving: everybody takes effect exactly once; what was pushed on a channel is what was popped
 * there; nobody is claimed who has left his lines; nobody waits for ever.
 *
 * Wrong: 1 no second look when standing in line; 2 the other lines are not left; 3 a select that takes itself back does
 * not claim its own wait.
 */
/* cc: -DCOLLAPSE */
/* pan: -m200000 */
#ifndef WRONG
#define WRONG 0
#endif

#define A 0
#define B 1
#define PUSH 0
#define POP 1
#define NOBODY 4

/* Of each waiter. */
byte claimed = 0;          /* bits: the present wait has been ended */
byte woken = 0;
byte waiting = 0;          /* from prepare to the end of the wait */
byte handed = 0;           /* an item was taken from it, or given to it */
byte effects[4];

/* Of each channel: its lock, and by direction its line, as a set. Any order will do: it makes the model the more general. */
bool locked[2];
byte line[4];              /* [2 * channel + direction] */
byte pushed[2];
byte popped[2];

#define bit(n) (1 << (n))
#define in_line(c, d) line[2 * (c) + (d)]

inline lock(c) { atomic { !locked[c] -> locked[c] = true } }
inline unlock(c) { locked[c] = false }

/* wait_list::take_claimed(), with the lock held: `got` is a waiter whose wait is the caller's. */
inline take_claimed(c, d) {
    got = NOBODY;
    do
    :: got == NOBODY && in_line(c, d) != 0 ->
        atomic {
            if
            :: in_line(c, d) & bit(0) -> w = 0
            :: in_line(c, d) & bit(1) -> w = 1
            :: in_line(c, d) & bit(2) -> w = 2
            :: in_line(c, d) & bit(3) -> w = 3
            fi;
            in_line(c, d) = in_line(c, d) & ~bit(w);
            assert(waiting & bit(w))
        }
        atomic {
            if
            :: !(claimed & bit(w)) -> claimed = claimed | bit(w); got = w
            :: else
            fi
        }
    :: else -> break
    od
}

/* try_push(), try_pop(): meets somebody of the other direction. */
inline poll(me, c, d) {
    lock(c);
    take_claimed(c, 1 - d);
    unlock(c);
    if
    :: got != NOBODY ->
        atomic {
            handed = handed | bit(got);
            pushed[c]++;
            popped[c]++;
            done = true
        }
        atomic { woken = woken | bit(got); got = NOBODY }
    :: else
    fi
}

inline enlist(me, c, d) {
    lock(c);
    if
    :: WRONG != 1 && (in_line(c, 1 - d) & ~bit(me)) != 0 -> stands = false
    :: else -> in_line(c, d) = in_line(c, d) | bit(me)
    fi;
    unlock(c)
}

inline withdraw(me, c, d) {
    lock(c);
    in_line(c, d) = in_line(c, d) & ~bit(me);
    unlock(c)
}

/* A plain waiter has one case: channel and direction of the second are those of the first. */
proctype waiter(byte me; byte c1; byte d1; byte c2; byte d2) {
    bool done = false;
    bool stands;
    byte got = NOBODY;
    byte w = 0;
    bool several = (c1 != c2);
    do
    :: done -> break
    :: else ->
        poll(me, c1, d1);
        if
        :: !done && several -> poll(me, c2, d2)
        :: else
        fi;
        if
        :: done -> break
        :: else
        fi;
        /* prepare */
        atomic {
            claimed = claimed & ~bit(me);
            woken = woken & ~bit(me);
            handed = handed & ~bit(me);
            waiting = waiting | bit(me);
            stands = true
        }
        enlist(me, c1, d1);
        if
        :: stands && several -> enlist(me, c2, d2)
        :: else
        fi;
        if
        :: !stands && WRONG != 3 && !(claimed & bit(me)) ->
            /* try_withdraw(): lost if somebody claims between the look and the step */
            atomic {
                if
                :: !(claimed & bit(me)) -> claimed = claimed | bit(me); woken = woken | bit(me)
                :: else
                fi
            }
        :: !stands && WRONG == 3 -> woken = woken | bit(me)
        :: else
        fi;
        (woken & bit(me)) != 0;
        withdraw(me, c1, d1);
        if
        :: several && WRONG != 2 -> withdraw(me, c2, d2)
        :: else
        fi;
        atomic {
            waiting = waiting & ~bit(me);
            done = (handed & bit(me)) != 0
        }
    od;
    effects[me]++
}

/* wait_word::cancel(), when and if it finds S0 in a wait. */
proctype canceller() {
    atomic {
        if
        :: (waiting & bit(0)) && !(claimed & bit(0)) ->
            claimed = claimed | bit(0);
            woken = woken | bit(0)
        :: else
        fi
    }
}

init {
    atomic {
        run waiter(0, A, PUSH, B, POP);
        run waiter(1, A, POP, B, PUSH);
        run waiter(2, B, PUSH, B, PUSH);
        run waiter(3, B, POP, B, POP);
        run canceller()
    }
    _nr_pr == 1;
    assert(effects[0] == 1 && effects[1] == 1 && effects[2] == 1 && effects[3] == 1);
    assert(pushed[A] == popped[A] && pushed[B] == popped[B]);
    assert(pushed[A] + pushed[B] == 2)
}
