// SPDX-License-Identifier: BSL-1.0
// Mirrors core/task/wait_word.hpp, all of it, driven as core/task/waiter.hpp and suspend.hpp describe: a waiting task
// in a list and in a timer heap (each under its lock), a notifier, a timer, and a canceller that holds a reference and
// the lock of the requests. Two workers run the task: the one that it suspends on publishes, either may go on with it.
//
// Holds: each wait is ended by one of them and makes the task ready once (a second time, both workers would run it: a
// data race); the task sees what the notifier handed over; a request to cancel ends a wait or is still pending
// afterwards; nobody touches the task after that, though it ends and is freed at once.
// Wrong variants: the publisher ignores the canceller's hint; the word is prepared without order to the look for
// requests.

#include "tests/model/relacy_atomic.hpp"

#include <coir/core/task/wait_word.hpp>

namespace {

using namespace coir::detail;

constexpr std::uint32_t k_requested = 1;

struct task {
    wait_word word;
    atomic<std::uint32_t> cancel{0};
    atomic<int> references{2};  // its own, and the canceller's
    model_mutex cancel_lock;
    // What only the task itself touches while it runs, and one winner while it waits.
    model_var<int> progress{0};
    model_var<int> handed_over{0};

    void release() {
        if (references.fetch_sub(1, memory_order_acq_rel) == 1) {
            delete this;
        }
    }
};

class one_task {
public:
    task* const self = new task;
    model_semaphore ready;
    model_var<int> ended{0};

    // --- who may end a wait ---

    void notify() {
        wait_step step = wait_step::lost;
        {
            std::lock_guard const guard(list_lock_);
            task* const waiter = listed_.load();
            if (waiter == nullptr) {
                missed_.store(1);
                return;
            }
            listed_.store(nullptr);
            if (waiter->word.try_claim(wake_reason::notified)) {
                waiter->handed_over.store(1);
                step = waiter->word.wake();
            }
        }
        make_ready_if(step);
    }

    void time_out() {
        wait_step step = wait_step::lost;
        {
            std::lock_guard const guard(timer_lock_);
            if (task* const waiter = armed_.load()) {
                armed_.store(nullptr);
                step = waiter->word.try_claim_and_wake(wake_reason::timed_out);
            }
        }
        make_ready_if(step);
    }

    void cancel() {
        wait_step step = wait_step::lost;
        {
            std::lock_guard const guard(self->cancel_lock);
            self->cancel.fetch_or(k_requested, memory_order_seq_cst);
            step = self->word.cancel();
        }
        make_ready_if(step);
        self->release();
    }

    // --- the task's side; true: suspended, and out of sight ---

    bool start_wait(bool cancellable, bool in_list, bool with_timer) {
        self->word.prepare(cancellable);
        if (cancellable && cancel_is_pending()) {
            return false;
        }
        if (in_list) {
            std::lock_guard const guard(list_lock_);
            if (missed_.load() != 0) {
                return false;
            }
            listed_.store(self);
        }
        if (with_timer) {
            std::lock_guard const guard(timer_lock_);
            armed_.store(self);
        }
        make_ready_if(self->word.publish_suspended());
        return true;
    }

    wake_reason end_wait() {
        wake_reason const reason = self->word.reason();
        RL_ASSERT(reason != wake_reason::none);
        if (reason != wake_reason::notified) {
            std::lock_guard const guard(list_lock_);
            listed_.store(nullptr);
        }
        {
            std::lock_guard const guard(timer_lock_);
            armed_.store(nullptr);
        }
        RL_ASSERT(self->handed_over.load() == (reason == wake_reason::notified ? 1 : 0));
        self->handed_over.store(0);
        if (reason == wake_reason::cancelled) {
            RL_ASSERT(cancel_is_pending());
        }
        return reason;
    }

    bool cancel_is_pending() const { return (self->cancel.load(memory_order_seq_cst) & k_requested) != 0; }

    void end() {
        self->release();
        ended.store(1);
        ready.post();  // for the other worker
    }

private:
    void make_ready_if(wait_step step) {
        if (step == wait_step::make_ready) {
            ready.post();
        }
    }

    model_mutex list_lock_;
    model_var<task*> listed_{nullptr};
    model_var<int> missed_{0};  // a notification that found nobody, as an event that is set
    model_mutex timer_lock_;
    model_var<task*> armed_{nullptr};
};

// `Script::step(one_task&, progress)` runs the task from one suspension to the next; true when it has ended.
template <class Script, unsigned Others>
struct scripted : rl::test_suite<Script, 2 + Others> {
    one_task it;

    void before() { it.ready.post(); }

    void thread(unsigned index) {
        if (index >= 2) {
            static_cast<Script&>(*this).other(index - 2);
            return;
        }
        for (;;) {
            it.ready.wait();
            if (it.ended.load() != 0) {
                return;
            }
            int const progress = it.self->progress.load();
            it.self->progress.store(progress + 1);
            // The step may suspend as its last act: after that, the task is out of sight.
            if (!static_cast<Script&>(*this).step(progress)) {
                continue;
            }
            it.end();
            return;
        }
    }
};

// One wait, and everybody who could end it.
struct notify_timeout_cancel : scripted<notify_timeout_cancel, 3> {
    bool step(int progress) {
        if (progress == 0) {
            return !it.start_wait(true, true, true);
        }
        (void)it.end_wait();
        return true;
    }

    void other(unsigned which) {
        if (which == 0) {
            it.notify();
        } else if (which == 1) {
            it.time_out();
        } else {
            it.cancel();
        }
    }
};

// Two waits: a notification or the cancellation ends the first; if it was not the cancellation, that must end the
// second.
struct cancel_in_either_wait : scripted<cancel_in_either_wait, 2> {
    bool step(int progress) {
        if (progress == 0) {
            if (it.start_wait(true, true, false)) {
                return false;
            }
            if (it.cancel_is_pending()) {
                return true;
            }
            it.self->progress.store(2);
        } else if (it.end_wait() == wake_reason::cancelled || progress == 2) {
            RL_ASSERT(it.cancel_is_pending());
            return true;
        } else {
            it.self->progress.store(2);
        }
        return !it.start_wait(true, false, false);
    }

    void other(unsigned which) {
        if (which == 0) {
            it.notify();
        } else {
            it.cancel();
        }
    }
};

// The first wait is shielded: only the notification may end it. The request must end the second one.
struct shielded_wait : scripted<shielded_wait, 2> {
    bool step(int progress) {
        if (progress == 0) {
            if (it.start_wait(false, true, false)) {
                return false;
            }
            it.self->progress.store(2);
        } else if (progress == 1) {
            RL_ASSERT(it.end_wait() == wake_reason::notified);
            it.self->progress.store(2);
        } else {
            RL_ASSERT(it.end_wait() == wake_reason::cancelled);
            return true;
        }
        return !it.start_wait(true, false, false);
    }

    void other(unsigned which) {
        if (which == 0) {
            it.notify();
        } else {
            it.cancel();
        }
    }
};

// A wait like any but the first: the word still holds how the last one ended, which the canceller must not see once
// the task has looked for requests.
struct cancel_after_an_earlier_wait : scripted<cancel_after_an_earlier_wait, 1> {
    void before() {
        it.self->word.prepare(true);
        (void)it.self->word.publish_suspended();
        (void)it.self->word.try_claim_and_wake(wake_reason::timed_out);
        it.ready.post();
    }

    bool step(int progress) {
        if (progress == 0) {
            return !it.start_wait(true, false, false);
        }
        RL_ASSERT(it.end_wait() == wake_reason::cancelled);
        return true;
    }

    void other(unsigned) { it.cancel(); }
};

}  // namespace

int main() {
    return model_main({"wait_publish", "wait_prepare"}, [] {
        model_options const options{.iterations = 200'000};
        return model_holds<notify_timeout_cancel>(options) && model_holds<cancel_in_either_wait>(options) &&
               model_holds<shielded_wait>(options) && model_holds<cancel_after_an_earlier_wait>(options);
    });
}
