/* SPDX-License-Identifier: BSL-1.0
 *
 * Mirrors how a worker puts calls on its fork stack and takes them back without a fence, as x86 does it: its stores
 * wait in a buffer, first in, first out, while it reads on. A thief's heavy fence (membarrier) empties that buffer; a
 * full fence or a read-modify-write of the owner's own waits until it is empty. Step by step:
 *
 *   push, pop, take_all, start_anew    core/queue/fork_stack.hpp: the same; acquire, release: its lock_
 *   put_off, take_back                 core/task/fork_record.hpp: the same; its wait() and, for the first push,
 *                                      worker::put_off_slowly() stand in core/sched/fork.cpp
 *   thief                              search(), take_call_of_others() and park() in core/sched/find.cpp, with
 *                                      take_call_of() in core/sched/fork.cpp and the stack's take_oldest()
 *   choose, searchers, sleepers, bits  core/park/idle.hpp, each function one step: park_wake.pml takes them apart
 *
 * The owner runs each program of FORKS calls: it puts one off, takes the newest back, gives all away as a suspension
 * does, or computes until others have run all of them. Two thieves search, take, run, sleep. A thief's stores do not
 * wait: between one and the next read that matters there is always a fence or a read-modify-write, so a store that
 * waits is a thief that is slow. How a task that is joined ends is stolen_call.pml's to check, and what weaker
 * processors may do fork_stack_model.cpp's, with full fences.
 *
 * Holds, in every interleaving: each call runs once, while its frame is there; a join goes on only when its call has
 * ended; what nobody was given is still on the stack; no call lies there while the owner computes and the thieves sleep
 * (that would be a deadlock).
 *
 * Wrong: 1 take_oldest() has an ordinary fence; 2 it has its fence before it moves top; 3 pop() looks at top before it
 * moves bottom; 4 push() stores bottom before the slot; 5 put_off() looks for sleepers before it pushes; 6 who goes to
 * sleep has an ordinary fence; 7 pop() does not wait for the lock; 8 the first push looks for sleepers without a full
 * fence; 9 a join does not wait for who has the call.
 */
/* cc: -DSAFETY -DCOLLAPSE */
/* pan: -m100000 */
#ifndef WRONG
#define WRONG 0
#endif
#define FORKS 3
#define BUFFERED 3         /* as many as the first push stores; 4 and 5 find nothing else */
#define MAX_SEARCHERS 1    /* of three workers */

/* Memory, as all but the owner see it. */
#define bottom  memory[0]
#define top     memory[1]
#define lock    memory[2]
#define uses    memory[3]  /* scheduler::uses_forks_ */
#define slot(i) memory[4 + (i)]
byte memory[4 + FORKS];

/* What the owner has stored, and nobody else sees yet. */
chan buffer = [BUFFERED] of { byte, byte };
hidden byte at;
hidden byte value;

#define BOTTOM 0
#define TOP 1
#define LOCK 2
#define USES 3
#define SLOT 4

/* class idle */
byte searchers = 0;
byte sleepers = 0;
mtype = { awake, asleep, chosen };
mtype bits[2] = awake;

/* The calls, 1 to FORKS. */
mtype = { unborn, open, ended, gone };
mtype call[FORKS + 1] = unborn;
bool given[FORKS + 1];
byte unfinished = 0;

inline drain_one() { buffer?at, value; memory[at] = value }

inline heavy_fence() {
    d_step {
        do
        :: nempty(buffer) -> drain_one()
        :: empty(buffer) -> break
        od
    }
}

active proctype store_buffer() {
end:
    do
    :: d_step { nempty(buffer) -> drain_one() }
    od
}

/* choose_sleeper_to_wake() behind its fence, and the wake. */
inline choose() {
    d_step {
        if
        :: searchers == 0 && bits[0] == asleep -> bits[0] = chosen; searchers++; sleepers--
        :: searchers == 0 && bits[0] != asleep && bits[1] == asleep -> bits[1] = chosen; searchers++; sleepers--
        :: else
        fi
    }
}

/* ---- the owner --------------------------------------------------------------------------------------------------- */

/* Stores with no read between them are one step, as they only enter the buffer: others see them one by one. */

inline acquire() { empty(buffer) && lock == 0 -> lock = 1 }
inline release() { buffer!LOCK, 0 }
inline start_anew() { buffer!BOTTOM, 0; back = 0; buffer!TOP, 0 }
inline wake() { atomic { empty(buffer) -> choose() } }

inline push() {
    atomic {
#if WRONG == 4
        buffer!BOTTOM, back + 1;
        buffer!SLOT + back, one;
#else
        buffer!SLOT + back, one;
        buffer!BOTTOM, back + 1;
#endif
        back++
    }
}

inline put_off() {
    d_step { made++; one = made; line[depth] = one; depth++; call[one] = open; unfinished++ }
    if
    :: made == 1 ->
        buffer!USES, 1;
        push();
#if WRONG == 8
        if
        :: sleepers > 0 -> wake()
        :: else
        fi
#else
        wake()
#endif
    :: else ->
#if WRONG == 5
        seen = sleepers;
        push();
        if
        :: seen > 0 -> seen = 0; wake()
        :: else
        fi
#else
        push();
        if
        :: sleepers > 0 -> wake()
        :: else
        fi
#endif
    fi;
    one = 0
}

/* top, for its owner: it reads its own store while that waits. */
#define top_here (buffer??[TOP, 0] -> 0 : top)

/* seen: 0 if a thief has it. */
inline pop() {
    assert(back > 0);
#if WRONG == 3
    seen = (top_here < back);
    atomic { buffer!BOTTOM, back - 1; back-- }
#else
    atomic { buffer!BOTTOM, back - 1; back-- }
    seen = (top_here <= back);
#endif
#if WRONG != 7
    if
    :: seen
    :: else ->
        /* pop_contended() */
        atomic {
            acquire();
            if
            :: top <= back -> seen = 1
            :: else -> start_anew()
            fi;
            release()
        }
    fi
#endif
}

/* What is left becomes tasks, which are run at once. */
inline take_all() {
    atomic {
        acquire();
        first = top;
        last = back;
        start_anew();
        release()
    }
    d_step {
        do
        :: first < last ->
            one = slot(first);
            assert(call[one] == open && !given[one]);
            given[one] = true; call[one] = ended; unfinished--;
            first++
        :: else -> break
        od;
        first = 0; last = 0; one = 0
    }
}

inline take_back() {
    d_step { depth--; one = line[depth]; line[depth] = 0 }
    if
    :: given[one]
    :: else ->
        pop();
        d_step {
            if
            :: seen -> assert(call[one] == open && !given[one]); call[one] = ended; unfinished--
            :: else -> assert(given[one])
            fi;
            seen = 0
        }
    fi;
#if WRONG != 9
    /* fork_record::wait() */
    if
    :: call[one] == ended
    :: else ->
        if
        :: back != 0 -> seen = one; take_all(); one = seen; seen = 0
        :: else
        fi;
        call[one] == ended
    fi;
#endif
    d_step { assert(call[one] == ended); call[one] = gone; one = 0 }
}

active proctype owner() {
    byte back = 0;  /* bottom, for its owner */
    byte made = 0;
    byte depth = 0;
    byte line[FORKS];
    byte one = 0;
    byte seen = 0;
    byte first = 0;
    byte last = 0;
    do
    :: made < FORKS -> put_off()
    :: depth > 0 -> take_back()
    :: depth > 0 && back > 0 -> take_all()
    :: depth > 0 -> unfinished == 0
    :: made == FORKS && depth == 0 -> break
    od
}

/* ---- thieves ----------------------------------------------------------------------------------------------------- */

proctype thief(bit self) {
    bool searching = false;
    byte front = 0;
    byte one = 0;

search:
    atomic {
        if
        :: searching
        :: !searching && searchers < MAX_SEARCHERS -> searchers++; searching = true
        :: else -> goto park
        fi
    }
    /* has_open_calls() */
    if
    :: bottom > top
    :: else -> goto park
    fi;
    /* take_oldest() */
    atomic {
        if
        :: lock == 0 -> lock = 1
        :: else -> goto park
        fi
    }
#if WRONG == 2
    heavy_fence();
#endif
    d_step { front = top; top = front + 1 }
#if WRONG != 1 && WRONG != 2
    heavy_fence();
#endif
    atomic {
        if
        :: front >= bottom -> goto move_back
        :: else
        fi
    }
    /* take_call_of() */
    d_step {
        one = slot(front);
        front = 0;
        assert(one != 0 && call[one] == open && !given[one]);
        given[one] = true;
        lock = 0
    }
    /* stop_searching() */
    atomic {
        searchers--;
        searching = false;
        if
        :: searchers == 0
        :: else -> goto run_it
        fi
    }
    choose();
run_it:
    atomic { assert(call[one] == open); call[one] = ended; unfinished--; one = 0; goto search }

move_back:
    atomic { top = front; front = 0; lock = 0 }

park:
    /* prepare_to_park() */
    atomic {
        sleepers++;
        searchers = searchers - searching;
        searching = false;
        bits[self] = asleep;
        if
        :: searchers == 0
        :: else -> goto end_sleep
        fi
    }
#if WRONG != 6
    atomic {
        if
        :: uses -> heavy_fence()
        :: else
        fi
    }
#endif
    front = bottom;
    atomic {
        if
        :: front > top -> front = 0
        :: else -> front = 0; goto end_sleep
        fi
    }
    /* cancel_park() */
    atomic {
        if
        :: bits[self] == asleep -> searchers++; sleepers--
        :: else
        fi;
        bits[self] = awake;
        searching = true;
        goto search
    }
end_sleep:
    /* leave_park() */
    atomic { bits[self] == chosen -> bits[self] = awake; searching = true; goto search }
}

init {
    atomic {
        run thief(0);
        run thief(1)
    }
}
