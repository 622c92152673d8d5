// SPDX-License-Identifier: BSL-1.0
//
// A fork has one thread. Who uses there a runtime of its parent is told so, in place of waiting for threads that are not
// there.
#include <coir/coir.hpp>
#include <coir/core/base/config.hpp>

#include <gtest/gtest.h>

#include <csignal>
#include <cstdlib>
#include <optional>

#include <sys/wait.h>
#include <unistd.h>

namespace coir {
namespace {

// Long enough for any machine; a child that waits for what cannot come does not keep the test from ending.
constexpr unsigned k_give_up_s = 60;

// What becomes of a child in which `f()` is called: its status, as wait() has it. f() returns the exit status.
template <class F>
int status_of_child(F const& f) {
    int const child = ::fork();
    if (child == 0) {
        ::signal(SIGALRM, SIG_DFL);
        ::alarm(k_give_up_s);
        ::_exit(f());
    }
    int status = -1;
    ::waitpid(child, &status, 0);
    return status;
}

bool was_aborted(int status) {
    return WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT;
}

template <class F>
bool is_refused(F const& f) {
    try {
        f();
    } catch (invalid_state const&) {
        return true;
    }
    return false;
}

TEST(fork, child_cannot_use_a_runtime_of_its_parent_and_is_told_so) {
    std::optional<runtime> home(runtime_options{.workers = 2});
    int const status = status_of_child([&] {
        bool const refuses = is_refused([&] { home->spawn([] {}); }) && is_refused([&] { home->block_on([] {}); }) &&
                             is_refused([] { run([] {}); });
        home->shutdown();
        home.reset();
        return refuses ? 0 : 1;
    });
    EXPECT_EQ(status, 0);
    EXPECT_EQ(home->block_on([] { return 3; }), 3);  // nothing has happened to the parent's
}

TEST(fork, child_that_waits_for_a_task_of_its_parent_is_ended) {
    runtime home(runtime_options{.workers = 2});
    event over;
    auto waits = home.spawn([&] { over.wait(); });
    EXPECT_TRUE(was_aborted(status_of_child([&] {
        waits.wait();
        return 0;
    })));
    over.set();
    waits.get();
}

TEST(fork, child_of_a_task_that_suspends_is_ended) {
    for (unsigned const workers : {1u, 4u}) {
        run(runtime_options{.workers = workers}, [] {
            EXPECT_EQ(status_of_child([] { return 0; }), 0);
            EXPECT_TRUE(was_aborted(status_of_child([] {
                yield();
                return 0;
            })));
            EXPECT_TRUE(was_aborted(status_of_child([] {
                sleep(std::chrono::seconds(1));
                return 0;
            })));
            yield();
        });
    }
}

TEST(fork, child_of_a_process_without_a_runtime_may_have_one) {
    if (COIR_TSAN) {
        GTEST_SKIP() << "ThreadSanitizer ends a child that starts threads";
    }
    run([] {});
    EXPECT_EQ(status_of_child([] { return run([] { return spawn([] { return 0; }).get(); }); }), 0);
}

}  // namespace
}  // namespace coir
