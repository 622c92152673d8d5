/* SPDX-License-Identifier: BSL-1.0
 *
 * Mirrors core/task/wait_word.hpp, each of its transitions as one step (they are one compare-exchange each, but for wake()),
 * and the order in which core/task/waiter.hpp and suspend.hpp go through them.
 *
 * A task waits twice. The first wait, shielded or not, can be ended by a notification, a time-out or (not shielded) a
 * cancellation; the second by the cancellation only, and is skipped if that was delivered before. The code that runs
 * after the switch away from the task publishes each wait from a process of its own.
 *
 * Holds, in every interleaving: a wait makes its task ready exactly once, never while the task still runs, with exactly
 * one reason; the time-out and the notification claim only what is linked; a request to cancel ends a wait or stays
 * pending; nobody waits for ever.
 *
 * Wrong: 1 the publisher ignores the canceller's hint; 2 the task looks for requests before it prepares the word;
 * 3 a winner makes the task ready though nobody has published it; 4 a canceller claims a shielded wait;
 * 5 a winner stores though nobody has published the wait.
 */
#ifndef WRONG
#define WRONG 0
#endif

#define SUSPENDED 1
#define CLAIMED 2
#define WOKEN 4
#define CANCELLABLE 8
#define HINT 16

mtype = { none, notified, timed_out, cancelled };

byte word = 0;
mtype reason = none;

bool request = false;     /* the cancel word */
bool on_stack = true;     /* the task's fiber has not left its stack */
byte ready = 0;           /* queue entries of the task */
byte wait = 0;            /* the number of the present wait */
byte made_ready = 0;      /* waits that were made ready */
bool handed_over = false;

/* The primitive's lock, its list (is the task in it?), and what a notification leaves that found nobody. */
bool list_locked = false;
bool listed = false;
bool signalled = false;
/* The timer's. */
bool timer_locked = false;
bool armed = false;

inline lock(l) { atomic { !l -> l = true } }
inline unlock(l) { l = false }

inline make_ready() {
    atomic {
        assert(!on_stack);
        ready++;
        made_ready++;
        assert(ready == 1);
        assert(made_ready == wait)
    }
}

/* wait_word::wake(), then what its result demands. To a published wait it stores what it has read, in two steps. */
inline wake() {
    word_seen = word;
    suspended_seen = (word_seen & SUSPENDED) != 0;
    if
    :: suspended_seen || WRONG == 5 -> word = word_seen | WOKEN
    :: else ->
        atomic {
            suspended_seen = (word & SUSPENDED) != 0;
            word = word | WOKEN
        }
    fi;
    if
    :: suspended_seen || WRONG == 3 -> make_ready()
    :: else
    fi
}

proctype publisher() {
    bool make = false;
    /* publish_suspended() */
    atomic {
        on_stack = false;
        if
        :: (word & WOKEN) -> make = true
        :: else ->
            word = word | SUSPENDED;
            if
            :: WRONG != 1 && (word & (HINT | CANCELLABLE | CLAIMED)) == (HINT | CANCELLABLE) ->
                word = word | CLAIMED | WOKEN;
                reason = cancelled;
                make = true
            :: else
            fi
        fi
    }
    if
    :: make -> make_ready()
    :: else
    fi
}

proctype notifier() {
    bool won = false;
    bool suspended_seen = false;
    byte word_seen = 0;
    lock(list_locked);
    if
    :: listed ->
        listed = false;
        /* try_claim() */
        atomic {
            if
            :: !(word & CLAIMED) -> word = word | CLAIMED; reason = notified; won = true
            :: else
            fi
        }
        if
        :: won -> handed_over = true
        :: else
        fi
    :: else -> signalled = true
    fi;
    unlock(list_locked);
    if
    :: won -> wake()
    :: else
    fi
}

proctype timer() {
    bool make = false;
    lock(timer_locked);
    if
    :: armed ->
        armed = false;
        /* try_claim_and_wake() */
        atomic {
            if
            :: !(word & CLAIMED) ->
                make = (word & SUSPENDED) != 0;
                word = word | CLAIMED | WOKEN;
                reason = timed_out
            :: else
            fi
        }
    :: else
    fi;
    unlock(timer_locked);
    if
    :: make -> make_ready()
    :: else
    fi
}

proctype canceller() {
    bool make = false;
    request = true;
    /* cancel() */
    atomic {
        if
        :: (word & CLAIMED)
        :: !(word & CLAIMED) && !(word & SUSPENDED) -> word = word | HINT
        :: !(word & CLAIMED) && (word & SUSPENDED) ->
            if
            :: (word & CANCELLABLE) || WRONG == 4 ->
                word = word | CLAIMED | WOKEN;
                reason = cancelled;
                make = true
            :: else
            fi
        fi
    }
    if
    :: make -> make_ready()
    :: else
    fi
}

/* wait_point's constructor: sets `pending` if the wait must not start. */
inline prepare(cancellable_bit) {
    pending = false;
    if
    :: WRONG == 2 ->
        pending = (cancellable_bit && request);
        atomic { word = cancellable_bit; reason = none }
    :: else ->
        atomic { word = cancellable_bit; reason = none };
        pending = (cancellable_bit && request)
    fi
}

/* suspend(): the switch, then whatever made the task ready. */
inline suspend() {
    atomic { wait++; run publisher() }
    atomic {
        ready > 0 ->
        ready--;
        on_stack = true;
        assert((word & CLAIMED) && (word & WOKEN) && reason != none)
    }
}

active proctype task() {
    bool pending = false;
    bool delivered = false;
    byte cancellable = 0;

    run notifier();
    run timer();
    run canceller();

    if
    :: cancellable = CANCELLABLE
    :: cancellable = 0
    fi;

    prepare(cancellable);
    if
    :: pending -> delivered = true
    :: else ->
        lock(list_locked);
        if
        :: signalled -> unlock(list_locked)
        :: else ->
            listed = true;
            unlock(list_locked);
            lock(timer_locked);
            armed = true;
            unlock(timer_locked);
            suspend();
            lock(list_locked);
            listed = false;
            unlock(list_locked);
            lock(timer_locked);
            armed = false;
            unlock(timer_locked);
            assert(handed_over == (reason == notified));
            if
            :: reason == cancelled ->
                assert(request && cancellable != 0);
                delivered = true
            :: else
            fi
        fi
    fi;

    if
    :: delivered
    :: else ->
        prepare(CANCELLABLE);
        if
        :: pending
        :: else ->
            suspend();
            assert(reason == cancelled && request)
        fi
    fi;
    /* Everybody else ends, and nobody makes the task ready once more. */
    _nr_pr == 1;
    assert(ready == 0 && made_ready == wait)
}
