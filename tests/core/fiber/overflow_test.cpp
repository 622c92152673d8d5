// SPDX-License-Identifier: BSL-1.0
#include "core/fiber/overflow.hpp"

#include "core/fiber/stack_pool.hpp"
#include "tests/core/fiber/stacks.hpp"

#include <coir/core/base/config.hpp>

#include <algorithm>
#include <atomic>
#include <csignal>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>
#include <string_view>
#include <thread>

#include <boost/context/detail/fcontext.hpp>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/mman.h>
#include <unistd.h>

namespace coir::detail {
namespace {

using test::k_kib;
using testing::HasSubstr;
using testing::Not;
using testing::StrEq;

// Every test dies in a child of its own, so that neither handlers nor signal stacks outlive it. The children say what
// they saw on stderr and by their exit code.

// --- Running something on a pool's stack, without the scheduler ------------------------------------------------------

using body = void (*)(stack const&);

struct start {
    body run;
    stack on;
};

void enter(boost::context::detail::transfer_t from) {
    start const& what = *static_cast<start*>(from.data);
    what.run(what.on);
    std::_Exit(99);  // none of the bodies returns
}

[[noreturn]] void run_on(stack const& s, body run) {
    start what{run, s};
    boost::context::detail::jump_fcontext(boost::context::detail::make_fcontext(s.top(), s.size, enter), &what);
    std::_Exit(98);
}

std::atomic<bool> end_recursion{false};

COIR_NOINLINE int recurse(int depth) {
    char volatile frame[256];
    frame[0] = static_cast<char>(depth);
    if (end_recursion) {
        return 0;
    }
    return recurse(depth + 1) + frame[0];
}

[[noreturn]] void overflow(std::size_t size) {
    run_on(stack_pool::for_size(size).acquire(), [](stack const&) { recurse(0); });
}

void name_task(std::string_view name) {
    static std::string_view current;
    current = name;
    set_task_name_hook([](char* buffer, std::size_t size) { return current.copy(buffer, size); });
}

class overflow_death : public testing::Test {
protected:
    overflow_death() { GTEST_FLAG_SET(death_test_style, "threadsafe"); }
};

testing::ExitedWithCode exits_with(int code) {
    return testing::ExitedWithCode(code);
}

// Under a sanitizer the default action of a fault is the sanitizer's report.
bool dies_of_the_fault(int status) {
    return COIR_ASAN || COIR_TSAN ? status != 0 : WIFSIGNALED(status) && WTERMSIG(status) == SIGSEGV;
}

// --- What an overflow says -------------------------------------------------------------------------------------------

TEST_F(overflow_death, is_reported_in_one_line_with_the_task_and_the_size_and_ends_by_the_signal) {
    EXPECT_EXIT(
        {
            install_overflow_handler();
            signal_stack_memory const memory;
            alternate_signal_stack const signals(memory);
            name_task("deep thought");
            overflow(256 * k_kib);
        },
        testing::KilledBySignal(SIGSEGV), StrEq("coir: task 'deep thought' overflowed its 256 KiB stack\n"));
}

TEST_F(overflow_death, names_the_size_that_the_user_chose) {
    EXPECT_EXIT(
        {
            install_overflow_handler();
            signal_stack_memory const memory;
            alternate_signal_stack const signals(memory);
            name_task("small");
            overflow(64 * k_kib);
        },
        testing::KilledBySignal(SIGSEGV), StrEq("coir: task 'small' overflowed its 64 KiB stack\n"));
}

TEST_F(overflow_death, is_reported_when_nobody_knows_the_name) {
    EXPECT_EXIT(
        {
            install_overflow_handler();
            signal_stack_memory const memory;
            alternate_signal_stack const signals(memory);
            overflow(256 * k_kib);
        },
        testing::KilledBySignal(SIGSEGV), StrEq("coir: a task overflowed its 256 KiB stack\n"));
}

TEST_F(overflow_death, a_name_can_neither_break_the_line_nor_be_too_long_for_it) {
    EXPECT_EXIT(
        {
            install_overflow_handler();
            signal_stack_memory const memory;
            alternate_signal_stack const signals(memory);
            static std::string const long_name = "a\nb\x1b[2J" + std::string(5000, 'x');
            name_task(long_name);
            overflow(256 * k_kib);
        },
        testing::KilledBySignal(SIGSEGV),
        testing::MatchesRegex("coir: task 'a\\?b\\?\\[2Jx+' overflowed its 256 KiB stack\n"));
}

TEST_F(overflow_death, a_name_that_did_not_fit_is_cut_off) {
    EXPECT_EXIT(
        {
            install_overflow_handler();
            signal_stack_memory const memory;
            alternate_signal_stack const signals(memory);
            set_task_name_hook([](char* buffer, std::size_t size) {
                std::memset(buffer, 'x', size);
                return size * 20;  // as snprintf does
            });
            overflow(256 * k_kib);
        },
        testing::KilledBySignal(SIGSEGV), testing::MatchesRegex("coir: task 'x+' overflowed its 256 KiB stack\n"));
}

TEST_F(overflow_death, is_reported_on_any_thread_with_a_signal_stack) {
    EXPECT_EXIT(
        {
            install_overflow_handler();
            name_task("elsewhere");
            std::thread([] {
                signal_stack_memory const memory;
                alternate_signal_stack const signals(memory);
                overflow(256 * k_kib);
            }).join();
        },
        testing::KilledBySignal(SIGSEGV), StrEq("coir: task 'elsewhere' overflowed its 256 KiB stack\n"));
}

TEST_F(overflow_death, is_reported_where_guards_are_made_by_mprotect) {
    EXPECT_EXIT(
        {
            install_overflow_handler();
            signal_stack_memory const memory;
            alternate_signal_stack const signals(memory);
            name_task("old kernel");
            auto& pool = *new stack_pool(256 * k_kib, guard_kind::protection);
            run_on(pool.acquire(), [](stack const&) { recurse(0); });
        },
        testing::KilledBySignal(SIGSEGV), StrEq("coir: task 'old kernel' overflowed its 256 KiB stack\n"));
}

// Frames of five pages, more than the guard has, of which only the far end is used: the build has the compiler touch
// every page on the way, and so hit the guard.
COIR_NOINLINE int recurse_by_pages(int depth) {
    char volatile frame[20 * 1024];
    frame[0] = static_cast<char>(depth);
    return end_recursion ? 0 : recurse_by_pages(depth + 1) + frame[0];
}

TEST_F(overflow_death, is_reported_for_frames_larger_than_the_guard) {
    EXPECT_EXIT(
        {
            install_overflow_handler();
            signal_stack_memory const memory;
            alternate_signal_stack const signals(memory);
            name_task("wide");
            run_on(stack_pool::for_size(256 * k_kib).acquire(), [](stack const&) { recurse_by_pages(0); });
        },
        testing::KilledBySignal(SIGSEGV), StrEq("coir: task 'wide' overflowed its 256 KiB stack\n"));
}

// --- What is not an overflow -----------------------------------------------------------------------------------------

TEST_F(overflow_death, a_stray_write_into_a_guard_from_elsewhere_is_not_called_one) {
    EXPECT_EXIT(
        {
            install_overflow_handler();
            signal_stack_memory const memory;
            alternate_signal_stack const signals(memory);
            stack const s = stack_pool::for_size(256 * k_kib).acquire();
            *static_cast<std::byte volatile*>(s.base - 8) = std::byte{1};
        },
        dies_of_the_fault, Not(HasSubstr("overflowed")));
}

TEST_F(overflow_death, a_write_past_the_top_of_a_stack_is_not_called_one) {
    EXPECT_EXIT(
        {
            install_overflow_handler();
            signal_stack_memory const memory;
            alternate_signal_stack const signals(memory);
            auto& pool = *new stack_pool(256 * k_kib);
            stack const low = pool.acquire();
            stack const high = pool.acquire();
            if (high.base < low.top()) {
                std::_Exit(97);
            }
            run_on(low, [](stack const& s) {
                *static_cast<std::byte volatile*>(s.base + s.pool->geometry().usable()) = std::byte{1};
            });
        },
        dies_of_the_fault, Not(HasSubstr("overflowed")));
}

TEST_F(overflow_death, a_page_of_its_own_stack_that_the_program_protected_is_not_called_one) {
    EXPECT_EXIT(
        {
            install_overflow_handler();
            signal_stack_memory const memory;
            alternate_signal_stack const signals(memory);
            run_on(stack_pool::for_size(256 * k_kib).acquire(), [](stack const& s) {
                ::mprotect(s.base, 4096, PROT_NONE);
                *static_cast<std::byte volatile*>(s.base) = std::byte{1};
            });
        },
        dies_of_the_fault, Not(HasSubstr("overflowed")));
}

TEST_F(overflow_death, a_null_pointer_used_by_a_task_is_not_called_one) {
    EXPECT_EXIT(
        {
            install_overflow_handler();
            signal_stack_memory const memory;
            alternate_signal_stack const signals(memory);
            run_on(stack_pool::for_size(256 * k_kib).acquire(), [](stack const&) {
                std::uintptr_t const volatile nearly_null = 16;
                *reinterpret_cast<int volatile*>(nearly_null) = 1;
            });
        },
        dies_of_the_fault, Not(HasSubstr("overflowed")));
}

// --- Who stood there before ------------------------------------------------------------------------------------------

std::byte* forbidden_page() {
    return static_cast<std::byte*>(::mmap(nullptr, 4096, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
}

std::byte* faulting_address = nullptr;

[[noreturn]] void fault() {
    *static_cast<std::byte volatile*>(faulting_address) = std::byte{1};
    std::_Exit(96);
}

void install_previous(int signal, int flags, void (*handler)(int, ::siginfo_t*, void*), int masked = 0) {
    struct sigaction action {};
    action.sa_sigaction = handler;
    action.sa_flags = SA_SIGINFO | flags;
    if (masked != 0) {
        sigaddset(&action.sa_mask, masked);
    }
    ::sigaction(signal, &action, nullptr);
    install_overflow_handler();
}

TEST_F(overflow_death, another_fault_reaches_the_previous_handler_with_all_its_arguments) {
    EXPECT_EXIT(
        {
            faulting_address = forbidden_page();
            install_previous(SIGSEGV, 0, [](int signal, ::siginfo_t* info, void* context) {
                std::_Exit(signal == SIGSEGV && info->si_addr == faulting_address && context != nullptr ? 7 : 8);
            });
            fault();
        },
        exits_with(7), "");
}

TEST_F(overflow_death, another_fault_reaches_a_previous_handler_of_the_plain_kind) {
    EXPECT_EXIT(
        {
            faulting_address = forbidden_page();
            std::signal(SIGSEGV, [](int signal) { std::_Exit(signal == SIGSEGV ? 7 : 8); });
            install_overflow_handler();
            fault();
        },
        exits_with(7), "");
}

TEST_F(overflow_death, the_previous_handler_runs_with_the_signals_blocked_that_it_wanted_blocked) {
    EXPECT_EXIT(
        {
            faulting_address = forbidden_page();
            install_previous(
                SIGSEGV, 0,
                [](int, ::siginfo_t*, void*) {
                    ::sigset_t blocked;
                    ::pthread_sigmask(SIG_BLOCK, nullptr, &blocked);
                    // ThreadSanitizer runs every handler with all signals blocked.
                    bool const others_free = COIR_TSAN || sigismember(&blocked, SIGUSR1) == 0;
                    std::_Exit(sigismember(&blocked, SIGUSR2) == 1 && others_free ? 7 : 8);
                },
                SIGUSR2);
            fault();
        },
        exits_with(7), "");
}

TEST_F(overflow_death, a_previous_handler_that_wanted_to_nest_finds_its_own_signal_unblocked) {
    EXPECT_EXIT(
        {
            install_previous(SIGSEGV, SA_NODEFER, [](int, ::siginfo_t*, void*) {
                ::sigset_t blocked;
                ::pthread_sigmask(SIG_BLOCK, nullptr, &blocked);
                // ThreadSanitizer runs every handler with all signals blocked.
                std::_Exit(COIR_TSAN || sigismember(&blocked, SIGSEGV) == 0 ? 7 : 8);
            });
            std::raise(SIGSEGV);
        },
        exits_with(7), "");
}

TEST_F(overflow_death, a_previous_handler_may_repair_the_fault_and_go_on) {
    EXPECT_EXIT(
        {
            faulting_address = forbidden_page();
            install_previous(SIGSEGV, 0, [](int, ::siginfo_t* info, void*) {
                ::mprotect(info->si_addr, 4096, PROT_READ | PROT_WRITE);
            });
            fault();
        },
        exits_with(96), "");
}

TEST_F(overflow_death, a_previous_handler_for_one_signal_runs_once) {
    EXPECT_EXIT(
        {
            install_previous(SIGSEGV, static_cast<int>(SA_RESETHAND),
                             [](int, ::siginfo_t*, void*) { std::fputs("once.", stderr); });
            std::raise(SIGSEGV);
            std::raise(SIGSEGV);
            std::_Exit(95);
        },
        testing::KilledBySignal(SIGSEGV), StrEq("once."));
}

TEST_F(overflow_death, a_bus_error_is_passed_on_too) {
    EXPECT_EXIT(
        {
            install_previous(SIGBUS, 0, [](int signal, ::siginfo_t*, void*) { std::_Exit(signal == SIGBUS ? 7 : 8); });
            std::raise(SIGBUS);
        },
        exits_with(7), "");
}

TEST_F(overflow_death, a_signal_that_was_ignored_stays_ignored) {
    EXPECT_EXIT(
        {
            std::signal(SIGSEGV, SIG_IGN);
            install_overflow_handler();
            std::raise(SIGSEGV);
            std::_Exit(7);
        },
        exits_with(7), "");
}

TEST_F(overflow_death, a_fault_ends_the_process_even_if_the_signal_was_ignored) {
    EXPECT_EXIT(
        {
            faulting_address = forbidden_page();
            std::signal(SIGSEGV, SIG_IGN);
            install_overflow_handler();
            fault();
        },
        testing::KilledBySignal(SIGSEGV), "");
}

TEST_F(overflow_death, the_default_action_stays_the_default) {
    EXPECT_EXIT(
        {
            faulting_address = forbidden_page();
            std::signal(SIGSEGV, SIG_DFL);
            install_overflow_handler();
            fault();
        },
        testing::KilledBySignal(SIGSEGV), StrEq(""));
    EXPECT_EXIT(
        {
            std::signal(SIGSEGV, SIG_DFL);
            install_overflow_handler();
            std::raise(SIGSEGV);
            std::_Exit(95);
        },
        testing::KilledBySignal(SIGSEGV), StrEq(""));
}

TEST_F(overflow_death, an_overflow_is_reported_although_somebody_handled_the_signal_before) {
    EXPECT_EXIT(
        {
            install_previous(SIGSEGV, 0, [](int, ::siginfo_t*, void*) { std::_Exit(8); });
            signal_stack_memory const memory;
            alternate_signal_stack const signals(memory);
            name_task("mine");
            overflow(256 * k_kib);
        },
        testing::KilledBySignal(SIGSEGV), StrEq("coir: task 'mine' overflowed its 256 KiB stack\n"));
}

TEST_F(overflow_death, installing_twice_does_not_make_the_handler_its_own_predecessor) {
    EXPECT_EXIT(
        {
            std::signal(SIGSEGV, [](int) { std::_Exit(7); });
            install_overflow_handler();
            install_overflow_handler();
            std::raise(SIGSEGV);
        },
        exits_with(7), "");
}

// --- The signal stack ------------------------------------------------------------------------------------------------

::stack_t current_signal_stack() {
    ::stack_t current{};
    EXPECT_EQ(::sigaltstack(nullptr, &current), 0);
    return current;
}

// On a thread that starts without one, which under a sanitizer no thread does.
void without_signal_stack(void (*run)()) {
    std::thread([run] {
        ::stack_t const before = current_signal_stack();
        ::stack_t none{};
        none.ss_flags = SS_DISABLE;
        ASSERT_EQ(::sigaltstack(&none, nullptr), 0);
        run();
        if ((before.ss_flags & SS_DISABLE) == 0) {
            ASSERT_EQ(::sigaltstack(&before, nullptr), 0);
        }
    }).join();
}

TEST(alternate_signal_stack, lasts_as_long_as_the_object) {
    without_signal_stack([] {
        {
            signal_stack_memory const memory;
            alternate_signal_stack const signals(memory);
            EXPECT_EQ(current_signal_stack().ss_flags & SS_DISABLE, 0);
            EXPECT_GE(current_signal_stack().ss_size, 64 * k_kib);
        }
        EXPECT_NE(current_signal_stack().ss_flags & SS_DISABLE, 0);
    });
}

TEST(alternate_signal_stack, leaves_one_alone_that_was_there) {
    without_signal_stack([] {
        signal_stack_memory const memory;
        alternate_signal_stack const first(memory);
        void* const where = current_signal_stack().ss_sp;
        {
            signal_stack_memory const more;
            alternate_signal_stack const second(more);
            EXPECT_EQ(current_signal_stack().ss_sp, where);
        }
        EXPECT_EQ(current_signal_stack().ss_sp, where);
    });
}

}  // namespace
}  // namespace coir::detail
