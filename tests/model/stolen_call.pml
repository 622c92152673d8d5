/* SPDX-License-Identifier: BSL-1.0
 *
 * Mirrors how a frame gets a call back that another worker has taken: core/task/fork_record.hpp (put_off, take_back),
 * core/sched/fork.cpp (take_call_of, fork_record::wait), core/task/shared_state.cpp (wait_uncancelled, add, complete,
 * complete_contended) and, of the worker's loop, how both workers go to sleep. What happens inside a step is checked
 * elsewhere: taking from the stack by fork_stack_model.cpp, the wait word by one_winner.pml and task_word_model.cpp, who
 * searches and sleeps by park_wake.pml.
 *
 * The owner is a task on worker 0: it puts a call off, runs another one itself, and takes the first back or waits for it;
 * then its frame ends, and with it the record. Worker 1 takes the call, if it gets it, as a task of its own, runs it, and
 * completes that task. While the owner waits, its worker looks for work and sleeps; either worker goes on with it.
 *
 * Holds, in every interleaving: the call runs once; nobody touches the record after its frame has ended, nor the task after
 * its last reference has gone; the owner goes on once for each wait, not before the call has ended; nobody sleeps over
 * work that is ready, and all come to an end.
 *
 * Wrong: 1 the waiter does not look at the state again when it stands in line; 2 the thief says who has the call only after
 * the stack is free again; 3 a wake that comes before the owner has left its stack is dropped; 4 the task is done before the
 * call has ended; 5 a worker that goes to sleep does not look again.
 */
/* cc: -DCOLLAPSE */
/* pan: -m100000 */
#ifndef WRONG
#define WRONG 0
#endif

#define OWNERS 0           /* the worker on whose stack the call lies at first */
#define THIEFS 1

/* The record, in the owner's frame. */
bool frame = true;
bool on_stack = false;     /* the fork stack holds it */
bool given = false;        /* given_to_ */
byte ran = 0;

/* The thief's task. */
byte references = 0;
bool freed = false;
bool locked = false;
bool linked = false;       /* the owner's node */
bool done = false;

/* The owner's wait word, and its place in the run queue. */
bool suspended = false;
bool woken = false;
bool running = true;       /* its stack is in use */
bool ready = true;         /* it has not started */
bool waits = false;        /* it has suspended: where it goes on */

/* Who sleeps, and each worker's eventfd. */
bool asleep[2];
bool token[2];
bool over = false;

inline touch_task() { assert(!freed) }
inline release() {
    atomic {
        touch_task();
        references--;
        if
        :: references == 0 -> freed = true
        :: else
        fi
    }
}

/* Behind a fence: whoever sleeps is claimed, then woken. */
inline wake_sleeper() {
    atomic {
        if
        :: asleep[0] -> asleep[0] = false; picked = 0
        :: !asleep[0] && asleep[1] -> asleep[1] = false; picked = 1
        :: else -> picked = 2
        fi
    }
    if
    :: picked != 2 -> token[picked] = true
    :: else
    fi
}

inline make_owner_ready() {
    atomic { assert(!running && !ready); ready = true }
    wake_sleeper()
}

/* The other call, then take_back(): `mine` if it is to be run here. Goes on to wait() otherwise. */
inline start_owner() {
    on_stack = true;       /* put_off() */
    wake_sleeper();
    atomic {
        if
        :: on_stack -> on_stack = false; mine = true
        :: else -> mine = false
        fi
    }
    if
    :: mine -> assert(frame && !given); ran++
    :: else -> assert(given)
    fi
}

/* fork_record::wait(), from its start or from where it has suspended. `left` if it suspends. */
inline await_task() {
    left = false;
    do
    :: left -> break
    :: else ->
        touch_task();
        if
        :: done -> break
        :: else ->
            atomic { suspended = false; woken = false }
            /* add() */
            atomic { !locked || (done && WRONG != 1) -> touch_task(); mine = !(done && WRONG != 1); locked = locked || mine }
            if
            :: mine ->
                linked = true;
                locked = false;
                /* The switch away from it, and what is done behind that: publish_suspended(). */
                atomic {
                    running = false;
                    waits = true;
                    left = true;
                    if
                    :: woken -> mine = true
                    :: else -> suspended = true; mine = false
                    fi
                }
                if
                :: mine -> make_owner_ready()
                :: else
                fi
            :: else -> break
            fi
        fi
    od
}

inline end_owner() {
    assert(ran == 1);
    if
    :: given -> assert(done); release()
    :: else
    fi;
    frame = false;
    over = true;
    wake_sleeper()
}

inline run_owner() {
    if
    :: !waits -> start_owner()
    :: else -> mine = false
    fi;
    left = false;
    if
    :: !mine -> await_task()
    :: else
    fi;
    if
    :: !left -> end_owner()
    :: else
    fi
}

/* complete(), and the end of the runtime's reference. */
inline complete_task() {
    mine = false;
    atomic {
        touch_task();
        if
        :: !locked && !linked -> done = true; left = true
        :: else -> left = false
        fi
    }
    if
    :: !left ->
        atomic { !locked -> touch_task(); locked = true }
        if
        :: linked ->
            linked = false;
            atomic { woken = (WRONG != 3 || suspended); mine = suspended }
        :: else
        fi;
        atomic { touch_task(); done = true; locked = false }
        if
        :: mine -> make_owner_ready()
        :: else
        fi
    :: else
    fi;
    release()
}

inline run_call() {
    atomic { assert(frame); ran++ }
    assert(frame)
}

inline run_stolen_task() {
    if
    :: WRONG == 4 -> complete_task(); run_call()
    :: else -> run_call(); complete_task()
    fi
}

proctype worker(byte self) {
    byte picked;
    bool mine;
    bool left;
    bool found;
    do
    :: over -> break
    :: else ->
        atomic {
            if
            :: ready -> ready = false; running = true; found = true
            :: else -> found = false
            fi
        }
        if
        :: found -> run_owner()
        :: else ->
            /* take_call_of(): given_to_ is written while the stack's lock is held. */
            atomic {
                if
                :: self == THIEFS && on_stack ->
                    on_stack = false;
                    references = 2;
                    given = (WRONG != 2);
                    found = true
                :: else
                fi
            }
            if
            :: found ->
                given = true;
                run_stolen_task()
            :: else ->
                asleep[self] = true;
                if
                :: (ready || over || (self == THIEFS && on_stack)) && WRONG != 5 ->
                    atomic {
                        if
                        :: asleep[self] -> asleep[self] = false; found = false
                        :: else -> found = true   /* somebody is just waking it */
                        fi
                    }
                    if
                    :: found -> atomic { token[self] -> token[self] = false }
                    :: else
                    fi
                :: else -> atomic { token[self] -> token[self] = false }
                fi
            fi
        fi
    od
}

init {
    atomic {
        run worker(OWNERS);
        run worker(THIEFS)
    }
    _nr_pr == 1;
    assert(!frame && ran == 1 && (!given || freed))
}
