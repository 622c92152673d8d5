// SPDX-License-Identifier: BSL-1.0
//
// A compiler computes the address of a thread-local variable once for two uses in one function, errno's included. A task
// that suspends between the two may go on on another thread.

#include <coir/core/base/errno_of.hpp>
#include <coir/core/base/tls.hpp>

#include "tests/support/running.hpp"

#include <coir/core/task/future.hpp>
#include <coir/core/task/task.hpp>
#include <coir/core/task/task_ref.hpp>

#include <atomic>
#include <cerrno>
#include <mutex>
#include <thread>
#include <vector>

#include <sys/epoll.h>
#include <sys/syscall.h>
#include <unistd.h>

namespace coir {
namespace {

// By the system call: compilers keep pthread_self() over a suspension too.
COIR_NOIPA long thread_id() {
    return ::syscall(SYS_gettid);
}

constexpr int k_migrations = 200;

// A thread outside of the runtime that wakes who asks for it: whichever worker is free takes the task then.
class outside_waker {
public:
    outside_waker() : thread_([this] { serve(); }) {}
    ~outside_waker() {
        stop_ = true;
        thread_.join();
    }

    void suspend_caller() {
        promise<void> p;
        auto f = p.get_future();
        {
            std::lock_guard const guard(lock_);
            asked_.push_back(&p);
        }
        f.wait();
    }

private:
    void serve() {
        while (!stop_) {
            std::vector<promise<void>*> now;
            {
                std::lock_guard const guard(lock_);
                now.swap(asked_);
            }
            for (auto* const p : now) {
                p->set_value();
            }
            std::this_thread::yield();
        }
    }

    std::mutex lock_;
    std::vector<promise<void>*> asked_;
    std::atomic<bool> stop_{false};
    std::thread thread_;
};

// Runs body(suspend) in several tasks again and again, until suspend() has often enough returned on another thread.
template <class F>
void while_being_moved(F const& body) {
    std::atomic<int> moves{0};
    outside_waker waker;
    run(runtime_options{.workers = 4}, [&] {
        std::vector<task<void>> tasks;
        for (int i = 0; i < 8; ++i) {
            tasks.push_back(spawn([&] {
                while (moves < k_migrations) {
                    body([&] {
                        long const before = thread_id();
                        waker.suspend_caller();
                        if (thread_id() != before) {
                            moves.fetch_add(1);
                        }
                    });
                }
            }));
        }
        for (auto& t : tasks) {
            t.get();
        }
    });
    EXPECT_GE(moves, k_migrations);
}

TEST(thread_local_address, worker_is_another_one_when_the_thread_is) {
    while_being_moved([](auto const& suspend) {
        long const thread_before = thread_id();
        detail::worker* const before = detail::this_worker();
        suspend();
        detail::worker* const after = detail::this_worker();
        EXPECT_EQ(thread_id() == thread_before, after == before);
    });
}

TEST(thread_local_address, current_task_stays_itself) {
    while_being_moved([](auto const& suspend) {
        std::uint64_t const before = current_task().id();
        suspend();
        EXPECT_EQ(current_task().id(), before);
    });
}

TEST(errno_after_migration, is_that_of_the_call_and_not_of_the_thread_that_was_left) {
    while_being_moved([](auto const& suspend) {
        EXPECT_EQ(detail::errno_of(&::close, -1).error, EBADF);
        suspend();
        EXPECT_EQ(detail::errno_of(&::epoll_create1, -1).error, EINVAL);
        suspend();
        EXPECT_EQ(detail::errno_of(&::close, -1).error, EBADF);
    });
}

}  // namespace
}  // namespace coir
