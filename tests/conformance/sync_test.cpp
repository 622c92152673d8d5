// SPDX-License-Identifier: BSL-1.0
//
// Lock, Event, Condition, Semaphore, Barrier.

#include "tests/conformance/support.hpp"

#include <algorithm>
#include <atomic>
#include <mutex>
#include <stdexcept>
#include <system_error>
#include <thread>

namespace coir {
namespace {

using namespace std::chrono_literals;
using test::journal;
using test::settle;
using test::under_each_setting;
using test::wait_forever;

constexpr int k_rounds = 20;

// Tasks that have come one after the other: each waits before the next one is made.
template <class Wait>
std::vector<task<void>> in_line(int count, Wait const& wait) {
    std::vector<task<void>> tasks;
    for (int i = 0; i < count; ++i) {
        tasks.push_back(spawn([wait, i] { wait(i); }));
        settle();
    }
    return tasks;
}

std::vector<int> const k_in_order{0, 1, 2, 3};

// --- all of them -------------------------------------------------------------------------------------------------------

TEST(sync, primitives_belong_to_no_loop) {
    under_each_setting([](runtime_options const& options) {
        event ready;
        mutex m;
        m.lock();  // on a thread of no loop
        runtime other(options);
        auto elsewhere = other.spawn([&] {
            std::scoped_lock const guard(m);
            ready.wait();
            return 5;
        });
        run(options, [&] {
            m.unlock();
            ready.set();
            EXPECT_EQ(elsewhere.get(), 5);
        });
    });
}

COIR_CONFORMS(sync, primitives_serve_threads_too) {
    semaphore asked(0);
    semaphore answered(0);
    std::thread outside([&] {
        asked.acquire();
        answered.release();
    });
    asked.release();
    answered.acquire();
    EXPECT_EQ(answered.available(), 0);
    outside.join();
}

// --- Lock --------------------------------------------------------------------------------------------------------------

COIR_CONFORMS(sync, lock_belongs_to_no_task) {
    mutex m;
    spawn([&] { m.lock(); }).get();
    EXPECT_FALSE(m.try_lock());
    spawn([&] { m.unlock(); }).get();
    EXPECT_TRUE(m.try_lock());
    m.unlock();
}

COIR_CONFORMS(sync, lock_is_given_in_the_order_of_coming) {
    mutex m;
    journal<int> order;
    m.lock();
    auto waiters = in_line(4, [&](int i) {
        std::scoped_lock const guard(m);
        order.add(i);
    });
    m.unlock();
    gather(waiters);
    EXPECT_EQ(order.entries(), k_in_order);
}

COIR_CONFORMS(sync, lock_is_not_taken_past_those_who_wait) {
    mutex m;
    event let_go;
    m.lock();
    auto waiter = spawn([&] {
        std::scoped_lock const guard(m);
        let_go.wait();
    });
    settle();
    m.unlock();
    EXPECT_FALSE(m.try_lock());
    let_go.set();
    waiter.get();
    EXPECT_TRUE(m.try_lock());
    m.unlock();
}

COIR_CONFORMS(sync, lock_between_release_and_the_next_holder) {
    test::on_a_strand([] {
        mutex m;
        bool got_it = false;
        m.lock();
        auto waiter = spawn([&] {
            std::scoped_lock const guard(m);
            got_it = true;
        });
        settle();
        m.unlock();
        EXPECT_FALSE(got_it);
        EXPECT_FALSE(m.try_lock());  // it is the waiter's already
        waiter.get();
        EXPECT_TRUE(got_it);
    });
}

COIR_CONFORMS(sync, lock_is_released_when_its_block_is_left) {
    mutex m;
    auto t = spawn([&] {
        std::scoped_lock const guard(m);
        throw std::out_of_range("inside");
    });
    EXPECT_THROW(t.get(), std::out_of_range);
    auto u = spawn([&] {
        std::scoped_lock const guard(m);
        wait_forever();
    });
    settle();
    u.cancel();
    u.wait();
    EXPECT_TRUE(m.try_lock());
    m.unlock();
}

COIR_CONFORMS(sync, release_of_a_lock_that_is_not_held_is_an_error) {
    mutex m;
    std::unique_lock lock(m);
    lock.unlock();
    EXPECT_THROW(lock.unlock(), std::system_error);
}

COIR_CONFORMS(sync, cancelled_waiter_does_not_get_the_lock) {
    mutex m;
    m.lock();
    auto waiter = spawn([&] { m.lock(); });
    settle();
    waiter.cancel();
    EXPECT_THROW(waiter.get(), cancelled);
    m.unlock();
    EXPECT_TRUE(m.try_lock());
    m.unlock();
}

COIR_CONFORMS(sync, lock_passes_on_from_a_waiter_that_is_cancelled_when_chosen) {
    for (int round = 0; round < k_rounds; ++round) {
        mutex m;
        m.lock();
        auto lock_and_unlock = [&] { std::scoped_lock const guard(m); };
        auto first = spawn(lock_and_unlock);
        settle();
        auto second = spawn(lock_and_unlock);
        settle();
        auto canceller = spawn([&] { first.cancel(); });
        m.unlock();
        second.get();
        canceller.get();
        first.wait();
        EXPECT_TRUE(m.try_lock());
        m.unlock();
    }
}

// --- Event -------------------------------------------------------------------------------------------------------------

COIR_CONFORMS(sync, event_wakes_all_who_wait) {
    event e;
    std::atomic<int> woken{0};
    auto waiters = in_line(4, [&](int) {
        e.wait();
        woken.fetch_add(1);
    });
    EXPECT_EQ(woken, 0);
    e.set();
    gather(waiters);
    EXPECT_EQ(woken, 4);
}

COIR_CONFORMS(sync, event_wakes_all_even_if_it_is_cleared_at_once) {
    event e;
    auto waiters = in_line(4, [&](int) { e.wait(); });
    e.set();
    e.clear();
    gather(waiters);
    EXPECT_FALSE(e.is_set());
}

COIR_CONFORMS(sync, event_that_is_set_does_not_wait) {
    event e;
    EXPECT_FALSE(e.is_set());
    e.set();
    EXPECT_TRUE(e.is_set());
    e.wait();
    EXPECT_TRUE(e.wait_for(0s));
}

COIR_CONFORMS(sync, event_that_was_cleared_waits) {
    event e;
    e.set();
    e.clear();
    auto waiter = spawn([&] { e.wait(); });
    settle();
    EXPECT_FALSE(waiter.done());
    e.set();
    waiter.get();
}

// --- Condition ---------------------------------------------------------------------------------------------------------

COIR_CONFORMS(sync, condition_releases_its_lock_while_it_waits) {
    mutex m;
    condition_variable cv;
    auto waiter = spawn([&] {
        std::unique_lock lock(m);
        cv.wait(lock);
        EXPECT_TRUE(lock.owns_lock());
        EXPECT_FALSE(m.try_lock());
    });
    settle();
    EXPECT_TRUE(m.try_lock());
    cv.notify_one();
    settle();
    EXPECT_FALSE(waiter.done());  // it has to have its lock first
    m.unlock();
    waiter.get();
}

COIR_CONFORMS(sync, condition_has_its_lock_again_when_it_is_cancelled) {
    mutex m;
    condition_variable cv;
    bool held = false;
    auto waiter = spawn([&] {
        std::unique_lock lock(m);
        try {
            cv.wait(lock);
        } catch (cancelled const&) {
            held = lock.owns_lock() && !m.try_lock();
            throw;
        }
    });
    settle();
    waiter.cancel();
    EXPECT_THROW(waiter.get(), cancelled);
    EXPECT_TRUE(held);
    EXPECT_TRUE(m.try_lock());
    m.unlock();
}

COIR_CONFORMS(sync, condition_waits_for_its_lock_whoever_cancels_it) {
    mutex m;
    condition_variable cv;
    auto waiter = spawn([&] {
        std::unique_lock lock(m);
        cv.wait(lock);
    });
    settle();
    m.lock();
    for (char const* const reason : {"first", "second"}) {
        waiter.cancel(reason);
        settle();
        EXPECT_FALSE(waiter.done());
    }
    m.unlock();
    try {
        waiter.get();
        ADD_FAILURE();
    } catch (cancelled const& why) {
        EXPECT_EQ(why.reason(), "second");
    }
}

COIR_CONFORMS(sync, notification_of_a_waiter_that_is_cancelled_goes_to_another_one) {
    for (int round = 0; round < k_rounds; ++round) {
        mutex m;
        condition_variable cv;
        auto wait = [&] {
            std::unique_lock lock(m);
            cv.wait(lock);
        };
        auto first = spawn(wait);
        settle();
        auto second = spawn(wait);
        settle();
        auto canceller = spawn([&] { first.cancel(); });
        cv.notify_one();
        canceller.get();
        first.wait();
        if (!first.cancelled()) {
            cv.notify_one();  // the first one has had its own
        }
        EXPECT_NO_THROW(second.get());  // a notification that is lost is a deadlock here
    }
}

COIR_CONFORMS(sync, condition_waits_for_its_predicate) {
    mutex m;
    condition_variable cv;
    int number = 0;
    auto waiter = spawn([&] {
        std::unique_lock lock(m);
        cv.wait(lock, [&] { return number == 2; });
        return number;
    });
    for (int i = 0; i < 2; ++i) {
        settle();
        EXPECT_FALSE(waiter.done());
        std::scoped_lock const guard(m);
        ++number;
        cv.notify_all();
    }
    EXPECT_EQ(waiter.get(), 2);
}

COIR_CONFORMS(sync, notify_without_the_lock) {
    mutex m;
    condition_variable cv;
    EXPECT_NO_THROW(cv.notify_one());
    auto waiter = spawn([&] {
        std::unique_lock lock(m);
        cv.wait(lock);
    });
    settle();
    cv.notify_all();  // without the lock
    EXPECT_NO_THROW(waiter.get());
}

COIR_CONFORMS(sync, condition_needs_its_lock_to_wait) {
    mutex m;
    condition_variable cv;
    std::unique_lock lock(m, std::defer_lock);
    EXPECT_THROW(cv.wait(lock), std::system_error);
}

COIR_CONFORMS(sync, notify_wakes_so_many_and_in_their_order) {
    mutex m;
    condition_variable cv;
    journal<int> woken;
    auto waiters = in_line(4, [&](int i) {
        std::unique_lock lock(m);
        cv.wait(lock);
        woken.add(i);
    });
    cv.notify_one();
    settle();
    EXPECT_EQ(woken.entries(), std::vector<int>{0});
    cv.notify_one();
    settle();
    EXPECT_EQ(woken.entries(), (std::vector<int>{0, 1}));
    cv.notify_all();
    gather(waiters);
    EXPECT_EQ(woken.size(), 4u);
}

// --- Semaphore ---------------------------------------------------------------------------------------------------------

COIR_CONFORMS(sync, semaphore_lets_so_many_in) {
    semaphore s(2);
    s.acquire();
    s.acquire();
    auto third = spawn([&] { s.acquire(); });
    settle();
    EXPECT_FALSE(third.done());
    s.release();
    third.get();
    EXPECT_FALSE(s.try_acquire());
}

COIR_CONFORMS(sync, semaphore_serves_in_the_order_of_coming) {
    semaphore s(0);
    journal<int> order;
    auto waiters = in_line(4, [&](int i) {
        s.acquire();
        order.add(i);
    });
    for (std::size_t i = 1; i <= 4; ++i) {
        s.release();
        settle();
        EXPECT_EQ(order.size(), i);
    }
    gather(waiters);
    EXPECT_EQ(order.entries(), k_in_order);
}

COIR_CONFORMS(sync, permit_belongs_to_the_waiter_as_soon_as_it_is_released) {
    semaphore s(0);
    auto waiter = spawn([&] { s.acquire(); });
    settle();
    s.release();
    EXPECT_FALSE(s.try_acquire());
    EXPECT_EQ(s.available(), 0);
    waiter.get();
}

COIR_CONFORMS(sync, permit_of_a_waiter_that_is_cancelled_when_chosen_comes_back) {
    for (int round = 0; round < k_rounds; ++round) {
        semaphore s(0);
        auto waiter = spawn([&] { s.acquire(); });
        settle();
        auto canceller = spawn([&] { waiter.cancel(); });
        s.release();
        canceller.get();
        waiter.wait();
        EXPECT_EQ(s.available(), waiter.cancelled() ? 1 : 0);
    }
}

COIR_CONFORMS(sync, semaphore_that_others_wait_for_counts_as_locked) {
    semaphore s(0);
    auto waiters = in_line(2, [&](int) { s.acquire(); });
    s.release();
    EXPECT_FALSE(s.try_acquire());
    settle();
    EXPECT_TRUE(waiters[0].done());
    EXPECT_FALSE(waiters[1].done());
    s.release(2);
    EXPECT_TRUE(s.try_acquire());  // beyond what others wait for
    gather(waiters);
}

COIR_CONFORMS(sync, semaphore_has_no_negative_number_of_permits) {
    EXPECT_THROW(semaphore(-1), std::invalid_argument);
    EXPECT_THROW(bounded_semaphore(-1), std::invalid_argument);
    EXPECT_NO_THROW(semaphore(0));
}

COIR_CONFORMS(sync, bounded_semaphore_is_not_released_beyond_its_bound) {
    bounded_semaphore s(1);
    s.acquire();
    s.release();
    EXPECT_THROW(s.release(), std::logic_error);
    EXPECT_EQ(s.available(), 1);
    semaphore unbounded(1);
    unbounded.release();
    EXPECT_EQ(unbounded.available(), 2);
}

COIR_CONFORMS(sync, permit_is_given_back_when_its_block_is_left) {
    semaphore s(1);
    auto t = spawn([&] {
        auto const permit = s.acquire_scoped();
        EXPECT_EQ(s.available(), 0);
        throw std::out_of_range("inside");
    });
    EXPECT_THROW(t.get(), std::out_of_range);
    EXPECT_EQ(s.available(), 1);
}

// --- Barrier -----------------------------------------------------------------------------------------------------------

COIR_CONFORMS(sync, barrier_lets_all_go_when_all_have_come) {
    barrier b(3);
    std::atomic<int> passed{0};
    auto pass = [&](int) {
        b.arrive_and_wait();
        passed.fetch_add(1);
    };
    auto waiters = in_line(2, pass);
    EXPECT_EQ(passed, 0);
    b.arrive_and_wait();
    gather(waiters);
    EXPECT_EQ(passed, 2);
}

COIR_CONFORMS(sync, barrier_gives_each_a_number_of_its_own) {
    barrier b(4);
    for (int round = 0; round < 3; ++round) {
        std::vector<task<std::size_t>> parties;
        for (int i = 0; i < 4; ++i) {
            parties.push_back(spawn([&] { return b.arrive_and_wait(); }));
        }
        auto numbers = gather(parties);
        std::ranges::sort(numbers);
        EXPECT_EQ(numbers, (std::vector<std::size_t>{0, 1, 2, 3}));
    }
}

COIR_CONFORMS(sync, barrier_tells_who_is_there) {
    barrier b(3);
    EXPECT_EQ(b.parties(), 3u);
    EXPECT_EQ(b.n_waiting(), 0u);
    auto waiters = in_line(2, [&](int) { b.arrive_and_wait(); });
    EXPECT_EQ(b.n_waiting(), 2u);
    EXPECT_FALSE(b.broken());
    b.arrive_and_wait();
    gather(waiters);
    EXPECT_EQ(b.n_waiting(), 0u);
}

COIR_CONFORMS(sync, barrier_that_is_aborted_stays_broken) {
    barrier b(2);
    auto waiter = spawn([&] { b.arrive_and_wait(); });
    settle();
    b.abort();
    EXPECT_THROW(waiter.get(), broken_barrier);
    EXPECT_TRUE(b.broken());
    EXPECT_THROW(b.arrive_and_wait(), broken_barrier);
    b.reset();
    EXPECT_FALSE(b.broken());
}

COIR_CONFORMS(sync, barrier_that_is_reset_sends_away_who_waits) {
    barrier b(2);
    auto waiter = spawn([&] { b.arrive_and_wait(); });
    settle();
    b.reset();
    EXPECT_THROW(waiter.get(), broken_barrier);
    EXPECT_FALSE(b.broken());
    auto next = spawn([&] { b.arrive_and_wait(); });
    EXPECT_NO_THROW(b.arrive_and_wait());
    next.get();
}

COIR_CONFORMS(sync, party_that_is_cancelled_has_not_come) {
    barrier b(2);
    auto waiter = spawn([&] { b.arrive_and_wait(); });
    settle();
    waiter.cancel();
    EXPECT_THROW(waiter.get(), cancelled);
    EXPECT_EQ(b.n_waiting(), 0u);
    EXPECT_FALSE(b.broken());
    auto next = spawn([&] { b.arrive_and_wait(); });
    settle();
    EXPECT_FALSE(next.done());
    b.arrive_and_wait();
    next.get();
}

COIR_CONFORMS(sync, barrier_needs_a_party) {
    EXPECT_THROW(barrier(0), std::invalid_argument);
}

}  // namespace
}  // namespace coir
