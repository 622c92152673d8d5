/* SPDX-License-Identifier: BSL-1.0
 *
 * Mirrors how jobs and answers go between a process pool and its worker. Every step is one access to what threads or
 * processes share; what happens under the pool's lock is one step. Step by step:
 *
 *   try_post, point_to_socket, end_look, sleep_until, rouse   executors/process/mailbox.cpp: mail_slot
 *   worker                          entry.cpp: receive(), run(), answer()
 *   waiter                          submit(), then future::get(): hasten() in hasten.cpp, and the future's own wait
 *   wait_at_bell, take_mail, rouse_sleeper   hasten.cpp; the bell itself, and what hears it: core/io/fd_slot.cpp
 *   take_answer, carry_on, retire, bury      answers.cpp
 *   give, send, take_away, complete pool.cpp, and worker_process.cpp: send_what_fits()
 *   keeper                          keeper.cpp: a worker's start is one step, and a message comes whole; take_over_from_tasks()
 *
 * A look lasts as long as it likes: so it has no step of its own. A failed compare-exchange and the one that tries again are
 * one step, as the states that lie between them in a slot are passed in one order.
 *
 * Two jobs, each with somebody who submits it and waits for it, or both with the same: a plain thread, which sleeps at
 * the mailbox and then at the future, or a task, which waits at the bell, and at the future all the while. The tasks are of two
 * runtimes, each with a poller. One worker at a time: so both jobs may go through one mailbox. What goes wrong is drawn first: a
 * worker is killed between any two of its steps, job 1 is cancelled by a third thread, or reaches its deadline, a wait at the bell
 * is ended by a cancellation or a time limit of the task, a sleep at a mailbox reaches its bound (a lost wake-up is not to
 * be cured by it, so mostly it does not), a bell cannot be rung, a task is woken but does not get to run before the other job is
 * done, the pool is closed. None, one or two of these come, each once and at any moment. As each comes alone, too, and none at all,
 * none can hide that everybody else has forgotten a sleeper. init has which go together: more at once takes too long.
 *
 * Holds, in every interleaving: whoever waits wakes; a job runs once at the most; its outcome is set once, and is its own
 * answer if one was sent and nobody gave the job up before; a job that its worker has not read does not die with it; no
 * worker is taken for one that answers out of turn; nothing is left in the pool; a closed one has no worker; a runtime expects
 * a bell while one of its tasks waits at it, and no longer.
 *
 * Wrong: 1 the sender overwrites the state instead of comparing it; 2 the receiver gives up by overwriting it; 3 who goes to
 * sleep looks for the outcome before it says so, not after; 4 the worker does not wake the sleeper; 5 rouse() wakes only if
 * it finds the sleeper asleep; 6 the keeper rouses the sleeper of a late job before the job has its outcome; 7 it does not look
 * into a dead worker's mailbox; 8 it takes a dead worker's job though somebody has the answer in hand; 9 it takes a job that
 * lies in the mailbox for one that was read; 10 it does not wait until the job was sent; 11 a waiter gives the next
 * job to a worker that has ended; 12 a job that goes through the socket does not wake the worker that sleeps at the mailbox; 13 nor
 * does the pool's end; 14 a worker begins to look after it has answered, not before; 15 a task stands in line for the bell
 * without a last look whether it has rung; 16 a task does not wait for its job's outcome while it waits at the bell; 17 who
 * queues a job leaves the keeper asleep although a task is at the bell; 18 two tasks wait at one bell; 19 a worker
 * may answer its next job to a task that stands at the bell still for the one before.
 */
/* cc: -DSAFETY -DCOLLAPSE */
/* pan: -E -m100000 */
#ifndef WRONG
#define WRONG 0
#endif
#define WORKERS 3 /* the first, and one after each that dies */
#define JOBS 2    /* from 1; 0 is none */

/* A mailbox: two slots. */
mtype = { idle, waiting, has_mail, look, asleep, at_bell };
mtype to_worker[WORKERS] = idle;
mtype to_pool[WORKERS] = idle;
byte job_bytes[WORKERS];
byte answer_bytes[WORKERS];
/* The socket, and the process. */
chan down[WORKERS] = [1] of { byte };
chan up[WORKERS] = [1] of { byte };
bool closed_down[WORKERS]; /* after what lies in `down` */
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
bool unfinished[WORKERS];
bool task_at[WORKERS]; /* its bell: at_bell in the code */
byte tasks_at_bells = 0;
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

bool closed = false;

bool keeper_woken = false; /* its eventfd */

/* A bell: an edge that the poller has not seen yet, what its slot knows, with whose poller it is registered, who stands in line. */
bool edge[WORKERS];
bool has_rung[WORKERS] = true;
byte registered[WORKERS];
byte in_line[JOBS + 1]; /* the worker + 1 */
bool heard[JOBS + 1];
byte expected[JOBS + 1]; /* by the runtime of the task that waits for this job */

/* For assertions only. */
byte who_wait = 0;
byte who_submits = 0;
bool was_read[JOBS + 1];
bool has_run[JOBS + 1];
bool answered[JOBS + 1];
hidden byte ignored;

/* What is still to come. */
bool may_die = false;
bool may_cancel = false;
bool may_be_late = false;
bool may_stop_sleeping = false;
bool may_interrupt = false;
bool may_not_ring = false;
bool may_be_kept = false;
bool may_close = false;
bool one_by_one = false; /* job 2 is submitted after job 1 is done */

/* ---- futexes ----------------------------------------------------------------------------------------------------- */

bool sleeps[WORKERS];        /* a thread of the pool's process is in the kernel, for to_pool */
bool worker_sleeps[WORKERS]; /* the worker is, for to_worker */

inline futex_wait(word, sleeping, lives) {
    d_step {
        lives;
        if
        :: word == asleep -> sleeping = true
        :: else
        fi
    }
    if
    :: lives && !sleeping
    :: atomic { lives && sleeping && may_stop_sleeping -> may_stop_sleeping = false; sleeping = false; timed_out = true }
    fi
}

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
        :: !awake -> sleeps[w] = false
        :: else -> awake = false
        fi
    }
}

/* After begin(). */
inline sleep_until(word, sleeping, is_over, lives) {
#if WRONG == 3
    came = is_over;
#endif
    d_step {
        lives;
        if
        :: word == waiting -> word = asleep
        :: else
        fi
    }
    do
#if WRONG == 3
    :: lives && came -> break
    :: lives && !came ->
#else
    :: lives && is_over -> break
    :: lives && !is_over ->
#endif
        if
        :: word != asleep || timed_out -> timed_out = false; break
        :: else -> futex_wait(word, sleeping, lives)
        fi
    od
}

/* ---- a slot ------------------------------------------------------------------------------------------------------ */

/* Sets `posted`, and `seen` to asleep or at_bell if somebody is to be woken. */
inline try_post(state, bytes, message, note, lives) {
    atomic {
        lives -> seen = state;
        if
        :: seen == waiting || seen == asleep || seen == at_bell -> bytes = message
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
            :: state == seen || state == asleep || state == at_bell ->
#endif
                seen = (state == asleep || state == at_bell -> state : 0);
                state = has_mail; note = true; posted = true
            :: else -> bytes = 0; seen = 0
            fi
        }
    :: else
    fi
}

/* Sets `told` if somebody is to be woken. */
inline point_to_socket(state) {
    d_step {
        told = (state == asleep);
        if
        :: state == waiting || state == asleep || state == at_bell -> state = look
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
    io[w] = true; job_of[w] = j; now[w] = busy; place[j] = running; worker_of[j] = w;
    if
    :: task_at[w] && WRONG != 19 && (to_pool[w] == waiting || to_pool[w] == asleep || to_pool[w] == at_bell) ->
        to_pool[w] = look /* point_to_socket() */
    :: else
    fi
}

/* A job may be too large for a slot. */
inline send(w, j) {
    if
    :: try_post(to_worker[w], job_bytes[w], j, ignored, true)
    :: true
    fi;
    if
    :: posted ->
        if
        :: seen == asleep -> worker_sleeps[w] = false
        :: else
        fi
    :: else ->
        point_to_socket(to_worker[w]);
        atomic {
            if
            :: alive[w] -> down[w]!j
            :: else -> send_failed[w] = true
            fi
        }
#if WRONG != 12
        if
        :: told -> worker_sleeps[w] = false
        :: else
        fi
#endif
    fi;
    d_step { posted = false; told = false; seen = 0; io[w] = false }
}

/* With the first step under the pool's lock. */
inline retire(w) {
    d_step { now[w] = doomed; live--; closed_down[w] = true }
#if WRONG != 13
    point_to_socket(to_worker[w]);
    if
    :: told -> worker_sleeps[w] = false; told = false
    :: else
    fi
#endif
}

#if WRONG == 11
#define may_go_on(w, is_keeper) (!is_keeper || !has_ended[w])
#else
#define may_go_on(w, is_keeper) (!has_ended[w])
#endif

inline carry_on(w, is_keeper) {
    atomic {
        if
        :: now[w] != busy
        :: now[w] == busy && !is_keeper && closed -> unfinished[w] = true; keeper_woken = true
        :: now[w] == busy && (is_keeper || !closed) && !may_go_on(w, is_keeper) /* bury() sees to it */
        :: now[w] == busy && (is_keeper || !closed) && may_go_on(w, is_keeper) && len(queue) > 0 && !io[w] ->
            queue?next; give(w, next)
        :: now[w] == busy && may_go_on(w, is_keeper) && len(queue) == 0 && !closed -> now[w] = ready
        :: now[w] == busy && may_go_on(w, is_keeper) && len(queue) == 0 && closed && is_keeper -> retire(w)
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
inline take_answer(w, is_keeper, claimed) {
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
        carry_on(w, is_keeper);
        if
        :: ours -> complete(message)
        :: else
        fi;
        d_step { ours = false; message = 0 }
    :: else
    fi
}

inline take_mail(w, is_keeper) {
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
        take_answer(w, is_keeper, true)
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
            queue!job; place[job] = queued; w = 0;
            if
#if WRONG == 17
            :: live == 0 -> keeper_woken = true
#else
            :: live == 0 || tasks_at_bells != 0 -> keeper_woken = true
#endif
            :: else
            fi
        fi
    }
    if
    :: next != 0 -> send(w, job); d_step { next = 0; w = 0 }
    :: else
    fi
}

/* May the task that waits for this job run? Its worker may stay with another task, until the other job is done. */
#define gets_to_run(j) (!may_be_kept || done[3 - j])

inline wait_at_bell(w, j) {
    atomic {
        if
        :: len(queue) == 0 && !closed && place[j] == running && (!task_at[w] || WRONG == 18) ->
            task_at[w] = true; tasks_at_bells++; came = true
        :: else -> came = false
        fi
    }
    if
    :: came ->
        d_step { registered[w] = j; came = false }
        expected[registered[w]]++;
        has_rung[w] = false;
        d_step {
            if
            :: to_pool[w] == waiting -> to_pool[w] = at_bell; came = true
            :: else
            fi
        }
        if
        :: came && !done[j] ->
            d_step {
                if
#if WRONG != 15
                :: has_rung[w] -> heard[j] = true
#endif
                :: else -> in_line[j] = w + 1
                fi
            }
            if
            :: atomic { (heard[j] || (done[j] && WRONG != 16)) && gets_to_run(j) -> in_line[j] = 0; heard[j] = false }
            :: atomic { may_interrupt -> may_interrupt = false; in_line[j] = 0; heard[j] = false; gone = true }
            fi
        :: else
        fi;
        d_step { assert(expected[registered[w]] > 0); expected[registered[w]]-- }
        d_step { task_at[w] = false; tasks_at_bells--; came = false }
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
    bool told = false;
    bool timed_out = false;
    bool submitted = false;
    bool gone = false;

    !one_by_one || j == 1 || done[1];
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
        who_submits--;
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
        :: came -> came = false; sleep_until(to_pool[w], sleeps[w], done[j], true); sleeper_at[j] = 0
        :: else
        fi
    :: else -> wait_at_bell(w, j)
    fi;
    end_look(to_pool[w]);
    if
    :: came -> take_mail(w, false)
    :: else
    fi;
    w = 0;
suspend:
    atomic { gone || (done[j] && (other == 0 || done[other])) -> gone = false; who_wait-- }
}

inline hear(w) {
    d_step {
        edge[w] -> edge[w] = false; has_rung[w] = true;
        if
        :: in_line[1] == w + 1 -> in_line[1] = 0; heard[1] = true
        :: else
        fi;
        if
        :: in_line[2] == w + 1 -> in_line[2] = 0; heard[2] = true
        :: else
        fi
    }
}

active proctype pollers() {
    do
    :: hear(0)
    :: hear(1)
    :: hear(2)
    od
}

active proctype closer() {
    d_step { may_close && who_submits == 0 -> may_close = false; closed = true; keeper_woken = true }
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

/* Starts as it has begun to look, and said that it is ready. */
proctype worker(byte w) {
    byte job = 0;
    mtype seen = 0;
    bool posted = false;
    bool came = false;
    bool timed_out = false;

    /* A step that begins with alive[w] is one that a dead worker does not do. */
    do
    ::
        /* receive() */
        sleep_until(to_worker[w], worker_sleeps[w], false, alive[w]);
        atomic { alive[w] -> end_look(to_worker[w]) }
        if
        :: came ->
            d_step {
                alive[w] -> assert(to_worker[w] == has_mail);
                to_worker[w] = idle; came = false;
                job = job_bytes[w]; job_bytes[w] = 0; was_read[job] = true
            }
        :: else ->
            if
            :: atomic { alive[w] && len(down[w]) > 0 -> down[w]?job; was_read[job] = true }
            :: d_step { alive[w] && len(down[w]) == 0 && closed_down[w] -> alive[w] = false }; goto ended
            fi
        fi;
        /* run() */
        d_step { alive[w] -> assert(!has_run[job]); has_run[job] = true }
        /* answer(), which may be too large for a slot */
#if WRONG != 14
        d_step { alive[w] -> assert(to_worker[w] == idle); to_worker[w] = waiting }
#endif
        if
        :: try_post(to_pool[w], answer_bytes[w], job, answered[job], alive[w])
        :: true
        fi;
        if
        :: posted && seen == at_bell && may_not_ring ->
            /* take_back() */
            d_step {
                alive[w] -> may_not_ring = false;
                if
                :: to_pool[w] == has_mail ->
                    to_pool[w] = idle; answer_bytes[w] = 0; answered[job] = false; posted = false
                :: else
                fi
            }
        :: posted && seen == at_bell -> d_step { alive[w] -> edge[w] = true }
        :: posted && seen == asleep ->
#if WRONG != 4
            d_step { alive[w] -> sleeps[w] = false }
#else
            skip
#endif
        :: else
        fi;
        if
        :: posted -> d_step { posted = false; job = 0 }
        :: else -> atomic { alive[w] -> up[w]!job; answered[job] = true; job = 0 }
        fi;
        seen = 0;
#if WRONG == 14
        d_step { alive[w] -> assert(to_worker[w] == idle); to_worker[w] = waiting }
#endif
    od;
ended:
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
    :: up[w]?message -> take_answer(w, true, false)
    :: empty(up[w])
    fi;
#if WRONG != 7
    take_mail(w, true);
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
        has_ended[w] = false; send_failed[w] = false; kill_sent[w] = false;
        to_worker[w] = idle; job_bytes[w] = 0; edge[w] = false; has_rung[w] = true;
        if
        :: nempty(down[w]) -> down[w]?_
        :: empty(down[w])
        fi;
        w = 0
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
    bool told = false;

    do
    ::
        /* is_over() */
        do
        :: atomic { closed && len(queue) == 0 && now[0] == ready -> retire(0) }
        :: atomic { closed && len(queue) == 0 && now[1] == ready -> retire(1) }
        :: atomic { closed && len(queue) == 0 && now[2] == ready -> retire(2) }
        :: else -> break
        od;
        /* start_workers(), with take_ready(); hand_out() */
        atomic {
            w = 0;
            if
            :: live == 0 && len(queue) > 0 ->
                w = workers;
                assert(w < WORKERS);
                workers++; live++; alive[w] = true; now[w] = ready; to_worker[w] = waiting;
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
            :: may_be_late && place[1] == running -> may_be_late = false; message = 1
            :: nempty(up[0]) && !buried[0] -> w = 0
            :: nempty(up[1]) && !buried[1] -> w = 1
            :: nempty(up[2]) && !buried[2] -> w = 2
            :: workers > 0 && !alive[0] && !buried[0] -> w = WORKERS + 1
            :: workers > 1 && !alive[1] && !buried[1] -> w = WORKERS + 2
            :: workers > 2 && !alive[2] && !buried[2] -> w = WORKERS + 3
            fi
        }
        if
        :: message != 0 ->
            /* kill_if_overdue() */
            d_step { ours = !completing[message]; completing[message] = true }
            take_away(message);
#if WRONG == 6
            rouse_sleeper(message);
#endif
            if
            :: ours -> complete(message)
            :: else
            fi;
            d_step { ours = false; message = 0 }
        :: message == 0 && w < WORKERS -> up[w]?message; take_answer(w, true, false)
        :: message == 0 && w > WORKERS -> w = w - WORKERS - 1; bury(w)
        :: message == 0 && w == WORKERS
        fi;
        /* finish_what_others_left(), take_over_from_tasks() */
        w = 0;
        do
        :: w < workers && unfinished[w] -> unfinished[w] = false; carry_on(w, true)
        :: w < workers && !unfinished[w] && task_at[w] && !buried[w] && (len(queue) > 0 || closed) ->
            point_to_socket(to_pool[w]);
            told = false;
            take_mail(w, true);
            w++
        :: w < workers && !unfinished[w] && !(task_at[w] && !buried[w] && (len(queue) > 0 || closed)) -> w++
        :: w == workers -> break
        od;
        w = 0
    od
}

/* When nobody can do anything any more. */
active proctype nothing_is_left() {
    byte w = 0;
    timeout;
    d_step {
        assert(who_wait == 0 && empty(queue) && sleeper_at[1] == 0 && sleeper_at[2] == 0);
        assert(expected[1] == 0 && expected[2] == 0 && tasks_at_bells == 0);
        do
        :: w < WORKERS ->
            assert(job_of[w] == 0 && !io[w] && !sleeps[w] && to_pool[w] != waiting && to_pool[w] != asleep);
            assert(to_pool[w] != at_bell && !task_at[w] && !(closed && alive[w]));
            assert(alive[w] || w >= workers || buried[w]);
            w++
        :: else -> break
        od
    }
}

init {
    atomic {
        if
        :: who_wait = 1; run waiter(1, 2, thread)
        :: who_wait = 2; one_by_one = true; run waiter(1, 0, task); run waiter(2, 0, task)
        :: who_wait = 2; may_be_kept = true; run waiter(1, 0, task); run waiter(2, 0, thread)
        :: who_wait = 1; may_cancel = true; may_be_late = true; run waiter(1, 0, thread)
        :: who_wait = 1; may_cancel = true; may_stop_sleeping = true; run waiter(1, 0, thread)
        :: who_wait = 1; may_cancel = true; may_interrupt = true; run waiter(1, 0, task)
        :: who_wait = 1; may_be_late = true; may_interrupt = true; run waiter(1, 0, task)
        :: who_wait = 1; may_be_late = true; run waiter(1, 2, thread)
        :: who_wait = 1; may_die = true; may_stop_sleeping = true; run waiter(1, 0, thread)
        :: who_wait = 1; may_die = true; may_not_ring = true; run waiter(1, 0, task)
        :: who_wait = 1; may_die = true; run waiter(1, 2, thread)
        :: who_wait = 1; may_die = true; may_close = true; run waiter(1, 0, task)
        :: who_wait = 1; may_close = true; run waiter(1, 2, task)
        :: who_wait = 1; may_close = true; may_stop_sleeping = true; run waiter(1, 0, thread)
        :: who_wait = 2; one_by_one = true; run waiter(1, 0, thread); run waiter(2, 0, thread)
        fi;
        who_submits = who_wait
    }
}
