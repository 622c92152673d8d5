// SPDX-License-Identifier: BSL-1.0
#pragma once

// What the tests of asyncio's behaviour have in common. Each is named in claims.txt, and runs with one worker, with four, and
// with several seeds: 1 to 5, or 200 from COIR_STRESS_SEED on, if that is set, as ./dev stress does it.

#include <coir/coir.hpp>
#include <coir/testing.hpp>

#include <gtest/gtest.h>

#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

namespace coir::test {

/// One way in which a runtime may be set up.
struct setting {
    std::string name;
    runtime_options options;
};

inline std::vector<setting> settings_in_real_time() {
    std::vector<setting> all;
    for (unsigned const workers : {1u, 4u}) {
        all.push_back({std::to_string(workers) + " worker(s)", {.workers = workers}});
    }
    return all;
}

inline std::vector<setting> settings() {
    std::vector<setting> all = settings_in_real_time();
    char const* const fixed = std::getenv("COIR_STRESS_SEED");
    std::uint64_t const first = fixed != nullptr ? std::strtoull(fixed, nullptr, 10) : 1;
    std::uint64_t const count = fixed != nullptr ? 200 : 5;
    for (std::uint64_t i = 0; i < count; ++i) {
        all.push_back({"seed " + std::to_string(first + i), {.seed = first + i}});
    }
    return all;
}

/// Calls `body(options)` for each of them, up to the first one in which something fails, and says which one that is.
template <class Body>
void under_each_of(std::vector<setting> const& some, Body const& body) {
    struct names_the_setting {
        std::string const& name;
        ~names_the_setting() {
            if (std::uncaught_exceptions() != 0 || ::testing::Test::HasFailure()) {
                std::fprintf(stderr, "with %s\n", name.c_str());
            }
        }
    };
    for (setting const& s : some) {
        names_the_setting const names{s.name};
        body(s.options);
        if (::testing::Test::HasFailure()) {
            return;
        }
    }
}

template <class Body>
void under_each_setting(Body const& body) {
    under_each_of(settings(), body);
}

/// Under those without a seed, where the clock does not jump.
template <class Body>
void under_each_setting_in_real_time(Body const& body) {
    under_each_of(settings_in_real_time(), body);
}

/// Under all of them, with a clock that jumps also where there is no seed.
template <class Body>
void under_each_setting_in_virtual_time(Body const& body) {
    under_each_setting([&body](runtime_options options) {
        options.virtual_time = true;
        body(options);
    });
}

// A test that does `first`, and then has the body that follows run as the main task, as `under` says.
#define COIR_DETAIL_CONFORMS(section, claim, first, under)                                                             \
    void section##_##claim();                                                                                          \
    TEST(section, claim) {                                                                                             \
        first;                                                                                                         \
        under([](::coir::runtime_options const& options) { ::coir::run(options, section##_##claim); });                \
    }                                                                                                                  \
    void section##_##claim()

/// A claim about tasks: a test whose body runs as the main task, under each setting.
#define COIR_CONFORMS(section, claim)                                                                                  \
    COIR_DETAIL_CONFORMS(section, claim, static_cast<void>(0), ::coir::test::under_each_setting)

/// The same in virtual time.
#define COIR_CONFORMS_IN_VIRTUAL_TIME(section, claim)                                                                  \
    COIR_DETAIL_CONFORMS(section, claim, static_cast<void>(0), ::coir::test::under_each_setting_in_virtual_time)

/// The same without seeds: where there is no order to choose but processes to start, or time must pass while a job runs.
#define COIR_CONFORMS_IN_REAL_TIME(section, claim)                                                                     \
    COIR_DETAIL_CONFORMS(section, claim, static_cast<void>(0), ::coir::test::under_each_setting_in_real_time)

/// A claim about what tasks and threads do alike: the body runs on a plain thread, and then as the main task.
#define COIR_CONFORMS_ANYWHERE(section, claim)                                                                         \
    COIR_DETAIL_CONFORMS(section, claim, section##_##claim(), ::coir::test::under_each_setting)

/// The same without seeds.
#define COIR_CONFORMS_ANYWHERE_IN_REAL_TIME(section, claim)                                                            \
    COIR_DETAIL_CONFORMS(section, claim, section##_##claim(), ::coir::test::under_each_setting_in_real_time)

/// Waits until every other task waits.
inline void settle() {
    coir::testing::wait_all_blocked();
}

/// A wait that only a cancellation ends. Without a timer, so that virtual time does not get there when all tasks wait.
inline void wait_forever() {
    event never;
    never.wait();
    ADD_FAILURE() << "nobody has set this event";
}

/// Runs `f` in a task of a strand of its own, as on one event loop, and waits for it.
template <class F>
auto on_a_strand(F f) {
    return coir::spawn({.strand = coir::strand()}, std::move(f)).get();
}

/// What happened, in its order, on any thread.
template <class T>
class journal {
public:
    void add(T entry) {
        std::lock_guard const guard(lock_);
        entries_.push_back(std::move(entry));
    }
    std::vector<T> entries() const {
        std::lock_guard const guard(lock_);
        return entries_;
    }
    std::size_t size() const { return entries().size(); }

private:
    std::mutex mutable lock_;
    std::vector<T> entries_;
};

/// What an exception says; "cancelled: <reason>" for a cancellation.
inline std::string message_of(std::exception_ptr const& error) {
    if (error == nullptr) {
        return "no exception";
    }
    try {
        std::rethrow_exception(error);
    } catch (std::exception const& e) {
        return e.what();
    } catch (cancelled const& c) {
        return "cancelled: " + c.reason();
    } catch (...) {
        return "an exception of some other type";
    }
}

/// The exceptions that nobody looked at, as "<name of the task>: <message>".
class reports {
public:
    runtime_options watching(runtime_options options) {
        options.on_unhandled_exception = [this](task_ref const& t, std::exception_ptr const& error) {
            seen_.add(t.name() + ": " + message_of(error));
        };
        return options;
    }
    std::vector<std::string> seen() const { return seen_.entries(); }

private:
    journal<std::string> seen_;
};

}  // namespace coir::test
