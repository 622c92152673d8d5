// SPDX-License-Identifier: BSL-1.0
#pragma once

// What stress tests have in common that let cancellations, time-outs and destruction race with a wait. On a plain thread, next
// to a runtime, or (destroy_...) in its tasks.

#include "tests/support/running.hpp"
#include "tests/support/stress.hpp"

#include <coir/core/base/errors.hpp>
#include <coir/core/sched/runtime.hpp>
#include <coir/core/task/sleep.hpp>
#include <coir/core/task/task.hpp>
#include <coir/core/task/timeout.hpp>

#include <atomic>
#include <chrono>
#include <cstdint>
#include <memory>
#include <random>
#include <vector>

namespace coir::test {

/// A short time, of some tens of microseconds: to hit the moment of a wake now and then.
inline std::chrono::microseconds a_blink(std::mt19937_64& random) {
    return std::chrono::microseconds(random() % 60);
}

/// Calls `f()`, every other time with a blink as its limit. False if that ran out. For waits without a bound of their own;
/// from tasks.
template <class F>
bool ends_in_time(std::mt19937_64& random, F const& f) {
    if (random() % 2 == 0) {
        f();
        return true;
    }
    try {
        with_timeout(a_blink(random), f);
        return true;
    } catch (timeout_error const&) {
        return false;
    }
}

/// While it lives, a task of its own cancels tasks at random.
template <class T>
class cancels {
public:
    cancels(runtime& rt, std::vector<task<T>> const& victims, std::uint64_t seed)
        : canceller_(rt.spawn([this, &victims, seed] {
              std::mt19937_64 random(seed);
              std::uint64_t sent = 0;
              for (; !stop_; ++sent) {
                  victims[random() % victims.size()].cancel();
                  sleep(a_blink(random));
              }
              stress::did(sent);
          })) {}
    cancels(cancels const&) = delete;
    cancels& operator=(cancels const&) = delete;
    ~cancels() {
        stop_ = true;
        canceller_.wait();
    }

private:
    std::atomic<bool> stop_{false};
    task<void> canceller_;
};

template <class T>
void wait_for_all(std::vector<task<T>> const& tasks) {
    for (auto const& t : tasks) {
        t.wait();
    }
}

/// Until all have ended.
template <class T>
void cancel_until_all_end(runtime& rt, std::vector<task<T>> const& victims, std::uint64_t seed) {
    cancels const some(rt, victims, seed);
    wait_for_all(victims);
}

/// `count` tasks, each of which calls `f(random)` `times` times; a cancellation ends one call. (One that is cancelled before
/// it starts never runs.) Each call is an operation.
template <class F>
std::vector<task<void>> repeating(runtime& rt, int count, int times, std::mt19937_64& seeds, F const& f) {
    std::vector<task<void>> made;
    for (int i = 0; i < count; ++i) {
        made.push_back(rt.spawn([call = f, times, seed = seeds()]() mutable {
            std::mt19937_64 local(seed);
            for (int n = 0; n < times; ++n) {
                try {
                    call(local);
                } catch (cancelled const&) {
                }
            }
            stress::did(static_cast<std::uint64_t>(times));
        }));
    }
    return made;
}

/// The same, and all have begun: each calls f(random) until that returns false.
template <class F>
std::vector<task<void>> running(runtime& rt, int count, std::mt19937_64& seeds, F const& f) {
    auto const started = std::make_shared<std::atomic<int>>(0);
    std::vector<task<void>> made;
    for (int i = 0; i < count; ++i) {
        made.push_back(rt.spawn([call = f, started, seed = seeds()]() mutable {
            started->fetch_add(1);
            std::mt19937_64 local(seed);
            std::uint64_t calls = 0;
            for (bool more = true; more; ++calls) {
                try {
                    more = call(local);
                } catch (cancelled const&) {
                }
            }
            stress::did(calls);
        }));
    }
    yield_until([&] { return *started == count; });
    return made;
}

/// `count` tasks, each of which calls `f(random)` `times` times. Until all have ended.
template <class F>
void in_parallel(runtime& rt, int count, int times, std::mt19937_64& seeds, F const& f) {
    std::vector<task<void>> made;
    for (int i = 0; i < count; ++i) {
        made.push_back(rt.spawn([&f, times, seed = seeds()] {
            std::mt19937_64 local(seed);
            for (int n = 0; n < times; ++n) {
                f(local);
            }
        }));
    }
    for (auto& t : made) {
        t.get();
    }
}

/// Now and then, with what is held: others get the chance to come in.
inline void perhaps_yield(std::mt19937_64& random) {
    if (random() % 4 == 0) {
        cancel_shield const shield;
        yield();
    }
}

/// Whoever has waited for `P` destroys it at once, while the one who let it pass may still be inside. `wait(p, random)`
/// waits for a blink, and returns whether it was let pass; a cancellation comes at some time. `let_pass(p)` does.
template <class P, class Wait, class LetPass>
void destroy_when_let_pass(runtime& rt, std::unique_ptr<P> p, std::mt19937_64& seeds, Wait const& wait,
                           LetPass const& let_pass) {
    P* const shared = p.get();
    bool passed = false;
    auto waiter = running(rt, 1, seeds, [&](std::mt19937_64& random) {
        passed = wait(*p, random);
        if (passed) {
            p.reset();
        }
        return !passed;
    });
    auto other = rt.spawn([shared, &let_pass] { let_pass(*shared); });
    if (seeds() % 2 == 0) {
        waiter.front().cancel();
    }
    wait_for_all(waiter);
    other.get();
    EXPECT_TRUE(passed);
}

/// `count` tasks use one object: each calls `use(p, random)` until that returns true, and then touches it no more; one of
/// them is cancelled at some time. The last one destroys it at once, while those who were let pass with it may still be on
/// their way out.
template <class P, class Use>
void destroy_when_all_are_through(runtime& rt, std::unique_ptr<P> p, int count, std::mt19937_64& seeds,
                                  Use const& use) {
    std::atomic<int> left{count};
    auto const users = running(rt, count, seeds, [&](std::mt19937_64& random) {
        bool const through = use(*p, random);
        if (through && left.fetch_sub(1) == 1) {
            p.reset();
        }
        return !through;
    });
    if (seeds() % 2 == 0) {
        users.front().cancel();
    }
    wait_for_all(users);
    EXPECT_EQ(p, nullptr);
}

}  // namespace coir::test
