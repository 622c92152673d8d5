/* SPDX-License-Identifier: BSL-1.0
 *
 * Mirrors sync/detail/item_exchange.hpp, what channels and queues are made of: try_push(), try_pop(), push_until(),
 * pop_until(), enlist(), withdraw(), admit_pusher(), close(). What the wait word does between claim and wake is
 * one_winner.pml's; here a claim is one step and a wake another.
 *
 * Two pushers of one item each and two poppers of one item each, with room for one. (Without room: select_one_case.pml.)
 * Somebody closes the channel at some time. A cancellation may end a wait of the first pusher, a timer one of each popper:
 * those give up.
 *
 * Holds, in every interleaving: what was pushed was popped, or is in the store, once; who gives up has pushed or popped
 * nothing; nobody waits in vain (invariant 1 of the header, whenever the lock is free); nobody waits for ever.
 *
 * Wrong: 1 no second look when standing in line; 2 an item is given to a popper whose wait something else has ended; 3 a
 * waiter that gives up stays in line; 4 a pop that makes room admits no pusher; 5 close() leaves the pushers waiting.
 */
/* cc: -DCOLLAPSE */
/* pan: -m100000 */
#ifndef WRONG
#define WRONG 0
#endif

#define NOBODY 4
#define bit(n) (1 << (n))
#define is_pusher(n) ((n) < 2)

#define capacity 1
bool locked = false;       /* the exchange's lock, of the rest of this block */
bool closed = false;
byte stored = 0;
byte line[4] = { NOBODY, NOBODY, NOBODY, NOBODY };
#define pushers 0          /* where their line begins: of 0 and 1 */
#define poppers 2          /* of 2 and 3 */

byte waiting = 0;          /* bits: from prepare to the end of the wait */
byte claimed = 0;
byte notified = 0;
byte gave_up = 0;          /* a cancellation or a timer has ended its wait */
byte moved = 0;            /* an item was taken from it, or given to it */
byte pushed = 0;           /* how many came in, how many went out */
byte popped = 0;

#define live(n) ((n) != NOBODY && !(claimed & bit(n)))
#define pusher_waits (live(line[pushers]) || live(line[pushers + 1]))
#define popper_waits (live(line[poppers]) || live(line[poppers + 1]))

inline lock() { atomic { !locked -> locked = true } }
inline unlock() {
    atomic {
        assert(closed || !pusher_waits || stored >= capacity);
        assert(closed || !popper_waits || stored == 0);
        assert(closed || !pusher_waits || !popper_waits);
        locked = false
    }
}

inline push_back(l, who) {
    atomic {
        if
        :: line[l] == NOBODY -> line[l] = who
        :: else -> line[l + 1] = who
        fi
    }
}

inline erase(l, who) {
    atomic {
        if
        :: line[l] == who -> line[l] = line[l + 1]; line[l + 1] = NOBODY
        :: line[l] != who && line[l + 1] == who -> line[l + 1] = NOBODY
        :: else
        fi
    }
}

/* wait_list::take_claimed(), with the lock held: `got` is a waiter whose wait is the caller's. */
inline take_claimed(l) {
    got = NOBODY;
    do
    :: got == NOBODY && line[l] != NOBODY ->
        w = line[l];
        assert(waiting & bit(w));
        erase(l, w);
        atomic {
            if
            :: !(claimed & bit(w)) || (WRONG == 2 && !is_pusher(w)) -> claimed = claimed | bit(w); got = w
            :: else
            fi
        }
    :: else -> break
    od
}

inline wake(who) { atomic { notified = notified | bit(who) } }

inline prepare(who) {
    atomic { claimed = claimed & ~bit(who); notified = notified & ~bit(who); waiting = waiting | bit(who) }
}

/* From enlist() to the end of a wait; `stands` and `got` are the caller's. Goes to `again` unless it has given up. */
inline wait_in(l, me, no_need) {
    prepare(me);
    lock();
    if
    :: no_need && WRONG != 1 -> stands = false
    :: else -> push_back(l, me); stands = true
    fi;
    unlock();
    if
    :: stands ->
        (notified & bit(me)) || (gave_up & bit(me));
        if
        :: gave_up & bit(me) ->
            lock();
            if
            :: WRONG != 3 -> erase(l, me)
            :: else
            fi;
            unlock();
            assert(!(moved & bit(me)))
        :: else
        fi
    :: else
    fi;
    atomic { waiting = waiting & ~bit(me) }
}

proctype pusher(byte me) {
    byte got;
    byte w;
    bool stands;
    do
    :: (moved | gave_up) & bit(me) -> break
    :: else ->
        atomic { !locked -> locked = true; got = NOBODY }
        if
        :: closed -> unlock(); break
        :: else
        fi;
        take_claimed(poppers);
        if
        :: got == NOBODY && stored < capacity -> atomic { stored++; pushed++; moved = moved | bit(me) }
        :: else
        fi;
        unlock();
        if
        :: got != NOBODY ->
            /* The popper is frozen until it is woken. */
            atomic { pushed++; popped++; moved = moved | bit(me) | bit(got) }
            wake(got)
        :: got == NOBODY && (moved & bit(me))
        :: else -> wait_in(pushers, me, (closed || stored < capacity || line[poppers] != NOBODY))
        fi
    od
}

proctype popper(byte me) {
    byte got;
    byte w;
    bool stands;
    do
    :: (moved | gave_up) & bit(me) -> break
    :: else ->
        atomic { !locked -> locked = true; got = NOBODY }
        if
        :: stored != 0 ->
            atomic { stored--; popped++; moved = moved | bit(me) }
            /* admit_pusher() */
            if
            :: WRONG != 4 -> take_claimed(pushers)
            :: else
            fi;
            if
            :: got != NOBODY -> atomic { stored++; pushed++; moved = moved | bit(got) }
            :: else
            fi;
            unlock();
            if
            :: got != NOBODY -> wake(got)
            :: else
            fi
        :: else ->
            take_claimed(pushers);
            if
            :: got == NOBODY && closed -> unlock(); break
            :: else
            fi;
            unlock();
            if
            :: got != NOBODY ->
                atomic { pushed++; popped++; moved = moved | bit(me) | bit(got) }
                wake(got)
            :: else -> wait_in(poppers, me, (closed || stored != 0 || line[pushers] != NOBODY))
            fi
        fi
    od
}

/* A cancellation or a timer. */
proctype interrupt(byte whom) {
    atomic {
        if
        :: (waiting & bit(whom)) && !(claimed & bit(whom)) ->
            claimed = claimed | bit(whom);
            gave_up = gave_up | bit(whom)
        :: true
        fi
    }
}

inline claim_all(l) {
    do
    :: line[l] != NOBODY ->
        w = line[l];
        erase(l, w);
        atomic {
            if
            :: !(claimed & bit(w)) -> claimed = claimed | bit(w); chosen = chosen | bit(w)
            :: else
            fi
        }
    :: else -> break
    od
}

proctype closer() {
    byte w;
    byte chosen = 0;
    lock();
    closed = true;
    if
    :: WRONG != 5 -> claim_all(pushers)
    :: else
    fi;
    claim_all(poppers);
    unlock();
    atomic { notified = notified | chosen }
}

init {
    atomic {
        run pusher(0);
        run pusher(1);
        run popper(2);
        run popper(3);
        run interrupt(0);
        run interrupt(2);
        run interrupt(3);
        run closer()
    }
    _nr_pr == 1;
    assert(pushed == popped + stored);
    assert(line[pushers] == NOBODY && line[poppers] == NOBODY)
}
