/* SPDX-License-Identifier: BSL-1.0
 *
 * Mirrors how jobs and answers go between a process pool and its worker. Every step is one access to what threads or
 * processes share; what happens under the pool's lock is one step. Step by step:
 *
 *   try_post, point_to_socket, end_look, sleep_until, rouse   executors/process/mailbox.cpp: mail_slot
 *   worker                          entry.cpp: receive(), run(), answer()
 *   waiter                          submit(), which may wait while it sends, then future::get(): hasten() in hasten.cpp,
 *                                   and the future's own wait
 *   take_mail, rouse_sleeper        hasten.cpp
 *   take_answer, carry_on, bury     answers.cpp
 *   give, send, take_away, complete pool.cpp, and worker_process.cpp: send_what_fits()
 *   keeper                          keeper.cpp: a worker's start is one step, and a message comes whole
 *
 * A look lasts as long as it likes: so it has no step of its own. A failed compare-exchange and the one that tries
 * again are one step, as the states that lie between them in a slot are passed in one order.
 *
 * Two jobs, each with somebody who submits it and waits for it, or both with the same: a plain thread, which sleeps
 * at the mailbox and then at the future, or a task, which sleeps at the future alone. One worker at a time: so both
 * jobs may go through one mailbox. What goes wrong is drawn first: a worker is killed between any two of its steps,
 * job 1 is cancelled by a third thread, or reaches its deadline, a sleep at the mailbox reaches its bound. None, one
 * or two of these come, each once and at any moment. As each comes alone, too, and none at all, none can hide that
 * everybody else has forgotten a sleeper. init has which go together: more at once takes too long.
 *
 * Holds, in every interleaving: whoever waits wakes; a job runs once at the most; its outcome is set once, and is its
 * own answer if one was sent and nobody gave the job up before; a job that its worker has not read does not die with
 * it; no worker is taken for one that answers out of turn; nothing is left in the pool.
 *
 * Left out: the bell at which tasks wait, and a worker that sleeps at its mailbox before it does at the socket.
 *
 * Wrong: 1 the sender overwrites the state instead of comparing it; 2 the receiver gives up by overwriting it; 3 who
 * goes to sleep looks for the outcome before it says so, not after; 4 the sender does not wake the sleeper; 5 rouse()
 * wakes only if it finds the sleeper asleep; 6 the keeper rouses the sleeper of a late job before the job has its
 * outcome; 7 it does not look into a dead worker's mailbox; 8 it takes a dead worker's job though somebody has the
 * answer in hand; 9 it takes a job that lies in the mailbox for one that was read; 10 it does not wait until the job
 * was sent; 11 it takes the job and calls the worker dead in two steps.
 */
/* cc: -DSAFETY -DCOLLAPSE */
/* pan: -E -m100000 */
#ifndef WRONG
#define WRONG 0
#endif
#define WORKERS 3 /* the first, and one after each that dies */
#define JOBS 2    /* from 1; 0 is none */

/* A mailbox: two slots. */
mtype = { idle, waiting, has_mail, look, asleep };
mtype to_worker[WORKERS] = idle;
mtype to_pool[WORKERS] = idle;
byte job_bytes[WORKERS];
byte answer_bytes[WORKERS];
/* The socket, and the process. */
chan down[WORKERS] = [1] of { byte };
chan up[WORKERS] = [1] of { byte };
bool alive[WORKERS];
bool kill_sent[WORKERS];

/* A worker, as the pool sees it. */
mtype = { ready, busy, doomed };
mtype now[WORKERS] = doomed;
byte job_of[WORKERS];
bool in_hand[WORKERS];
bool has_ended[WORKERS];
bool io[WORKERS];
bool send_failed[WORKERS];
bool buried[WORKERS];
byte live = 0;
byte workers = 0;

/* A job. */
mtype = { nowhere, queued, running };
mtype place[JOBS + 1] = nowhere;
byte worker_of[JOBS + 1];
byte sleeper_at[JOBS + 1]; /* the worker + 1, 0: nobody sleeps */
bool completing[JOBS + 1];
bool done[JOBS + 1];
chan queue = [JOBS] of { byte };

bool keeper_woken = false; /* its eventfd */

/* For assertions only. */
byte who_wait = 0;
bool was_read[JOBS + 1];
bool has_run[JOBS + 1];
bool answered[JOBS + 1];
hidden byte ignored;

/* What is still to come. */
bool may_die = false;
bool may_cancel = false;
bool may_be_late = false;
bool may_stop_sleeping = false;

/* ---- the wake-up channel of a thread that waits: the futex in to_pool -------------------------------------------- */

bool sleeps[WORKERS]; /* a thread is in the kernel */

inline futex_wait(w) {
    atomic {
        if
        :: to_pool[w] == asleep -> sleeps[w] = true
        :: else
        fi
    }
    atomic {
        if
        :: !sleeps[w]
        :: sleeps[w] && may_stop_sleeping -> may_stop_sleeping = false; sleeps[w] = false; timed_out = true
        fi
    }
}

inline futex_wake(w) { sleeps[w] = false }

/* rouse() */
inline rouse(w) {
    atomic {
        if
        :: to_pool[w] == asleep -> to_pool[w] = look; awake = false
        :: else -> awake = (WRONG == 5)
        fi
    }
    d_step {
        if
        :: !awake -> futex_wake(w)
        :: else -> awake = false
        fi
    }
}

/* After begin(). */
inline sleep_until(w, is_over) {
#if WRONG == 3
    came = is_over;
#endif
    d_step {
        if
        :: to_pool[w] == waiting -> to_pool[w] = asleep
        :: else
        fi
    }
    do
#if WRONG == 3
    :: came -> break
#else
    :: is_over -> break
#endif
    :: else ->
        if
        :: to_pool[w] != asleep || timed_out -> break
        :: else -> futex_wait(w)
        fi
    od
}

/* ---- a slot ------------------------------------------------------------------------------------------------------ */

/* Sets `posted`, and `seen` to asleep if somebody is to be woken. */
inline try_post(state, bytes, message, note, lives) {
    atomic {
        lives -> seen = state;
        if
        :: seen == waiting || seen == asleep -> bytes = message
        :: else -> seen = 0
        fi
    }
    if
    :: seen != 0 ->
        d_step {
            lives;
            if
#if WRONG == 1
            :: true ->
#else
            :: state == seen || state == asleep ->
#endif
                if
                :: state != asleep -> seen = 0
                :: else -> seen = asleep
                fi;
                state = has_mail; note = true; posted = true
            :: else -> bytes = 0; seen = 0
            fi
        }
    :: else
    fi
}

inline point_to_socket(state) {
    d_step {
        if
        :: state == waiting -> state = look
        :: else
        fi
    }
}

/* end(): sets `came`. */
inline end_look(state) {
#if WRONG == 2
    came = (state == has_mail);
    if
    :: !came -> state = idle
    :: else
    fi
#else
    d_step {
        came = (state == has_mail);
        if
        :: state != has_mail -> state = idle
        :: else
        fi
    }
#endif
}

/* ---- the pool, any thread ---------------------------------------------------------------------------------------- */

inline rouse_sleeper(j) {
    d_step { at = sleeper_at[j]; sleeper_at[j] = 0 }
    if
    :: at != 0 -> rouse(at - 1); at = 0
    :: else
    fi
}

/* Its first step wakes all who wait at the future. */
inline complete(j) {
    d_step { assert(completing[j] && !done[j]); done[j] = true }
    rouse_sleeper(j)
}

/* Under the pool's lock. */
inline give(w, j) {
    assert(job_of[w] == 0 && !io[w]);
    io[w] = true; job_of[w] = j; now[w] = busy; place[j] = running; worker_of[j] = w
}

inline send(w, j) {
    try_post(to_worker[w], job_bytes[w], j, ignored, true);
    if
    :: posted
    :: else ->
        point_to_socket(to_worker[w]);
        atomic {
            if
            :: alive[w] -> down[w]!j
            :: else -> send_failed[w] = true
            fi
        }
    fi;
    d_step { posted = false; io[w] = false }
}

inline carry_on(w) {
    atomic {
        if
        :: now[w] != busy
        :: now[w] == busy && has_ended[w] /* bury() sees to it */
        :: now[w] == busy && !has_ended[w] && nempty(queue) && !io[w] -> queue?next; give(w, next)
        :: now[w] == busy && !has_ended[w] && empty(queue) -> now[w] = ready
        fi
    }
    if
    :: next != 0 -> send(w, next); next = 0
    :: else
    fi
}

/* Under the pool's lock. */
inline take_job_of(w) {
    if
    :: job_of[w] != 0 -> place[job_of[w]] = nowhere; worker_of[job_of[w]] = 0; job_of[w] = 0
    :: else
    fi
}

/* `message`: the job that it names. */
inline take_answer(w, claimed) {
    d_step {
        if
        :: job_of[w] == message ->
            assert(claimed || !in_hand[w]);
            in_hand[w] = true
        :: else ->
            assert(now[w] == doomed); /* the job was given up meanwhile */
            message = 0
        fi
    }
    if
    :: message != 0 ->
        d_step { ours = !completing[message]; completing[message] = true }
        d_step { take_job_of(w); in_hand[w] = false }
        carry_on(w);
        if
        :: ours -> complete(message)
        :: else
        fi;
        d_step { ours = false; message = 0 }
    :: else
    fi
}

inline take_mail(w) {
    d_step {
        if
        :: job_of[w] != 0 && !in_hand[w] && to_pool[w] == has_mail ->
            to_pool[w] = idle; in_hand[w] = true; came = true
        :: else -> came = false
        fi
    }
    if
    :: came ->
        d_step { came = false; message = answer_bytes[w]; answer_bytes[w] = 0 }
        take_answer(w, true)
    :: else
    fi
}

/* withdraw() without the rousing. */
inline take_away(j) {
    atomic {
        if
        :: place[j] == queued -> queue??eval(j); place[j] = nowhere
        :: place[j] == running ->
            kill_sent[worker_of[j]] = true;
            if
            :: now[worker_of[j]] != doomed -> now[worker_of[j]] = doomed; live--
            :: else
            fi;
            job_of[worker_of[j]] = 0; place[j] = nowhere; worker_of[j] = 0
        :: else
        fi
    }
}

mtype = { thread, task };

/* ---- who waits --------------------------------------------------------------------------------------------------- */

inline submit(job) {
    atomic {
        w = 0;
        do
        :: w < workers && now[w] != ready -> w++
        :: else -> break
        od;
        if
        :: w < workers && now[w] == ready && len(queue) == 0 && !io[w] -> give(w, job); next = job
        :: w == workers || now[w] != ready || len(queue) > 0 ->
            queue!job; place[job] = queued; keeper_woken = true; w = 0
        fi
    }
    if
    :: next != 0 ->
        /* send_in_person(), to a worker that sleeps */
        next = 0;
        if
        :: atomic { to_pool[w] == idle -> to_pool[w] = waiting; waits = true }
        :: true
        fi;
        send(w, job);
        if
        :: waits ->
            waits = false;
            end_look(to_pool[w]);
            if
            :: came -> take_mail(w)
            :: else
            fi
        :: else
        fi;
        w = 0
    :: else
    fi
}

/* Submits two jobs, or one, and waits for job j first. */
proctype waiter(byte j; byte other; mtype who) {
    byte w = 0;
    byte next = 0;
    byte message = 0;
    byte at = 0;
    mtype seen = 0;
    bool posted = false;
    bool came = false;
    bool ours = false;
    bool awake = false;
    bool timed_out = false;
    bool submitted = false;
    bool waits = false;

    who_wait++;
    if
    :: submit(j)
    :: other != 0 -> submit(other); submit(j); submitted = true
    fi;
    if
    :: other != 0 && !submitted -> submit(other)
    :: else -> submitted = false
    fi;

    /* hasten() */
    atomic {
        if
        :: place[j] == running && !in_hand[worker_of[j]] -> w = worker_of[j]
        :: else -> goto suspend
        fi
    }
    atomic {
        if
        :: to_pool[w] == idle -> to_pool[w] = waiting
        :: else -> w = 0; goto suspend
        fi
    }
    if
    :: who == thread ->
        d_step {
            if
            :: sleeper_at[j] == 0 -> sleeper_at[j] = w + 1; came = true
            :: else
            fi
        }
        if
        :: came -> came = false; sleep_until(w, done[j]); sleeper_at[j] = 0
        :: else
        fi
    :: else
    fi;
    end_look(to_pool[w]);
    if
    :: came -> take_mail(w)
    :: else
    fi;
    w = 0;
suspend:
    atomic { done[j] && (other == 0 || done[other]) -> who_wait-- }
}

active proctype canceller() {
    byte at = 0;
    bool awake = false;
    d_step { may_cancel && !completing[1] -> may_cancel = false; completing[1] = true }
    d_step { assert(!done[1]); done[1] = true }
    take_away(1);
    rouse_sleeper(1)
}

/* ---- the worker -------------------------------------------------------------------------------------------------- */

proctype worker(byte w) {
    byte job = 0;
    mtype seen = 0;
    bool posted = false;
    bool came = false;

    /* A step that begins with alive[w] is one that a dead worker does not do. */
    do
    ::
        /* receive() */
        if
        :: true ->
            d_step { alive[w] -> assert(to_worker[w] == idle); to_worker[w] = waiting }
            atomic { alive[w] -> end_look(to_worker[w]) }
            if
            :: came ->
                d_step {
                    alive[w] -> assert(to_worker[w] == has_mail);
                    to_worker[w] = idle; came = false;
                    job = job_bytes[w]; job_bytes[w] = 0; was_read[job] = true
                }
            :: else
            fi
        :: true
        fi;
        if
        :: job != 0
        :: else -> atomic { alive[w] && nempty(down[w]) -> down[w]?job; was_read[job] = true }
        fi;
        /* run() */
        d_step { alive[w] -> assert(!has_run[job]); has_run[job] = true }
        /* answer(), which may be too large for a slot */
        if
        :: try_post(to_pool[w], answer_bytes[w], job, answered[job], alive[w])
        :: true
        fi;
        if
        :: posted ->
#if WRONG != 4
            if
            :: seen == asleep -> d_step { alive[w] -> futex_wake(w) }
            :: else
            fi;
#endif
            d_step { posted = false; seen = 0; job = 0 }
        :: else -> atomic { alive[w] -> up[w]!job; answered[job] = true; job = 0 }
        fi
    od
}

active proctype kernel() {
    do
    :: d_step { kill_sent[0] && alive[0] -> alive[0] = false }
    :: d_step { kill_sent[1] && alive[1] -> alive[1] = false }
    :: d_step { kill_sent[2] && alive[2] -> alive[2] = false }
    :: d_step { may_die && alive[0] -> may_die = false; alive[0] = false }
    :: d_step { may_die && alive[1] -> may_die = false; alive[1] = false }
    od
}

/* ---- the keeper -------------------------------------------------------------------------------------------------- */

inline bury(w) {
    has_ended[w] = true;
    /* read_channel() */
    if
    :: up[w]?message -> take_answer(w, false)
    :: empty(up[w])
    fi;
#if WRONG != 7
    take_mail(w);
#endif
    d_step {
        buried[w] = true;
        if
#if WRONG == 8
        :: job_of[w] != 0 ->
#else
        :: job_of[w] != 0 && !in_hand[w] ->
#endif
            message = job_of[w];
            take_job_of(w)
        :: else
        fi;
#if WRONG == 11
    }
    d_step {
#endif
        if
        :: now[w] != doomed -> now[w] = doomed; live--
        :: else
        fi
    }
    /* Has it read the job? */
    atomic {
#if WRONG != 10
        !io[w];
#endif
        came = nempty(down[w]) || send_failed[w];
#if WRONG != 9
        came = came || to_worker[w] == has_mail
#endif
    }
    if
    :: message == 0
    :: message != 0 && came ->
        /* put_back() */
        atomic {
            if
            :: completing[message]
            :: else -> queue!message; place[message] = queued
            fi
        }
    :: message != 0 && !came ->
        d_step { ours = !completing[message]; completing[message] = true }
        if
        :: ours ->
            assert(was_read[message] && !answered[message]);
            complete(message)
        :: else
        fi
    fi;
    d_step {
        came = false; ours = false; message = 0;
        has_ended[w] = false; send_failed[w] = false; kill_sent[w] = false; w = 0
    }
}

active proctype keeper() {
    byte w = 0;
    byte next = 0;
    byte message = 0;
    byte at = 0;
    mtype seen = 0;
    bool posted = false;
    bool came = false;
    bool ours = false;
    bool awake = false;
    bool late = false;

    do
    ::
        /* start_workers(), with take_ready(); hand_out() */
        atomic {
            w = 0;
            if
            :: live == 0 && len(queue) > 0 ->
                w = workers;
                assert(w < WORKERS);
                workers++; live++; alive[w] = true; now[w] = ready;
                run worker(w)
            :: else
            fi;
            w = 0;
            do
            :: w < workers && now[w] != ready -> w++
            :: else -> break
            od;
            if
            :: w < workers && now[w] == ready && len(queue) > 0 && !io[w] -> queue?next; give(w, next)
            :: w == workers || now[w] != ready || len(queue) == 0 -> w = 0
            fi
        }
        if
        :: next != 0 -> send(w, next); d_step { next = 0; w = 0 }
        :: else
        fi;
        /* wait_for_events() */
        atomic {
            if
            :: keeper_woken -> keeper_woken = false; w = WORKERS
            :: may_be_late && place[1] == running -> may_be_late = false; late = true; w = worker_of[1]
            :: nempty(up[0]) && !buried[0] -> w = 0
            :: nempty(up[1]) && !buried[1] -> w = 1
            :: nempty(up[2]) && !buried[2] -> w = 2
            :: workers > 0 && !alive[0] && !buried[0] -> w = WORKERS + 1
            :: workers > 1 && !alive[1] && !buried[1] -> w = WORKERS + 2
            :: workers > 2 && !alive[2] && !buried[2] -> w = WORKERS + 3
            fi
        }
        if
        :: late ->
            /* kill_if_overdue() */
            take_mail(w);
            d_step { late = false; w = 0; message = 1; ours = !completing[1]; completing[1] = true }
            take_away(message);
#if WRONG == 6
            rouse_sleeper(message);
#endif
            if
            :: ours -> complete(message)
            :: else
            fi;
            d_step { ours = false; message = 0 }
        :: !late && w < WORKERS -> up[w]?message; take_answer(w, false)
        :: !late && w > WORKERS -> w = w - WORKERS - 1; bury(w)
        :: !late && w == WORKERS
        fi
    od
}

/* When nobody can do anything any more. */
active proctype nothing_is_left() {
    byte w = 0;
    timeout;
    d_step {
        assert(who_wait == 0 && empty(queue) && sleeper_at[1] == 0 && sleeper_at[2] == 0);
        do
        :: w < WORKERS ->
            assert(job_of[w] == 0 && !io[w] && !sleeps[w] && to_pool[w] != waiting && to_pool[w] != asleep);
            assert(alive[w] || w >= workers || buried[w]);
            w++
        :: else -> break
        od
    }
}

/* Else the keeper starts one for the first job. */
inline with_a_worker() { workers++; live++; alive[0] = true; now[0] = ready; run worker(0) }

init {
    atomic {
        if
        :: with_a_worker(); run waiter(1, 2, thread)
        :: with_a_worker(); may_die = true; may_be_late = true; run waiter(1, 0, thread)
        :: with_a_worker(); may_die = true; may_cancel = true; run waiter(1, 0, task)
        :: with_a_worker(); may_stop_sleeping = true; may_cancel = true; run waiter(1, 0, thread)
        :: with_a_worker(); run waiter(1, 0, thread); run waiter(2, 0, thread)
        :: run waiter(1, 2, thread)
        :: may_cancel = true; may_be_late = true; run waiter(1, 0, thread)
        :: may_die = true; run waiter(1, 2, thread)
        :: may_be_late = true; run waiter(1, 2, thread)
        :: may_cancel = true; may_stop_sleeping = true; run waiter(1, 0, thread)
        :: may_die = true; may_stop_sleeping = true; run waiter(1, 0, thread)
        :: may_die = true; may_cancel = true; run waiter(1, 0, task)
        :: run waiter(1, 0, thread); run waiter(2, 0, task)
        :: run waiter(1, 0, thread); run waiter(2, 0, thread)
        fi
    }
}
