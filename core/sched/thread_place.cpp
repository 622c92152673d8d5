// SPDX-License-Identifier: BSL-1.0
#include "core/sched/thread_place.hpp"

#include "core/fiber/fault_chain.hpp"

#include <array>
#include <atomic>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <mutex>
#include <string_view>
#include <thread>
#include <vector>

#include <cxxabi.h>
#include <dlfcn.h>
#include <sys/auxv.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

namespace coir::detail {
namespace {

constexpr int k_signal = SIGURG;
// Guessed: what a thread needs to be scheduled on a busy machine. If it takes longer the report goes without a place.
constexpr auto k_patience = std::chrono::milliseconds(200);
constexpr std::size_t k_stack_words = 2048;
constexpr std::size_t k_most_callers = 4;
// Return addresses into libraries are often stale, and rarely what one wants to know.
constexpr std::size_t k_most_library_callers = 2;

// One question at a time. wanted_thread is the thread that is asked, or 0; the handler takes it by compare-exchange, so
// that an answer that comes too late is thrown away.
std::mutex question_lock;
std::atomic<pid_t> wanted_thread{0};
std::atomic<bool> answered{false};
std::atomic<std::uintptr_t> answer_pc{0};
std::atomic<std::uintptr_t> answer_sp{0};
std::atomic<bool> handler_installed{false};

// AddressSanitizer gives a function that it looks at a frame of its own for each call. After an exception it takes the frames of
// those for dead whose stack lies below the next one's: had this been that one, on the stack for signals, those of the thread.
// So neither this function nor what it calls may have such a frame (of the library, orders of memory that are left out do).
__attribute__((no_sanitize("address"))) void answer(int, siginfo_t*, void* context) {
    int const error = errno;
    auto self = static_cast<pid_t>(::syscall(SYS_gettid));
    if (wanted_thread.compare_exchange_strong(self, 0, std::memory_order_acquire, std::memory_order_relaxed)) {
        registers const here = registers_in(context);
        answer_pc.store(here.pc, std::memory_order_relaxed);
        answer_sp.store(here.sp, std::memory_order_relaxed);
        answered.store(true, std::memory_order_release);
    }
    errno = error;
}

bool ask(pid_t thread, registers& where) {
    if (!handler_installed.load(std::memory_order_acquire)) {
        return false;
    }
    answered.store(false, std::memory_order_relaxed);
    wanted_thread.store(thread, std::memory_order_release);
    auto const give_up = std::chrono::steady_clock::now() + k_patience;
    bool here = ::syscall(SYS_tgkill, ::getpid(), thread, k_signal) == 0;
    while (here && !answered.load(std::memory_order_acquire)) {
        if (std::chrono::steady_clock::now() > give_up) {
            pid_t expected = thread;
            if (wanted_thread.compare_exchange_strong(expected, 0, std::memory_order_relaxed)) {
                return false;
            }
            // It is just answering: a few instructions more.
        }
        std::this_thread::sleep_for(std::chrono::microseconds(100));
    }
    wanted_thread.store(0, std::memory_order_relaxed);
    where = {answer_pc.load(std::memory_order_relaxed), answer_sp.load(std::memory_order_relaxed)};
    return here;
}

// /proc/self/task/<tid>/syscall: "running", or the number of the system call, its arguments, stack pointer and program
// counter.
bool registers_in_system_call(pid_t thread, registers& where) {
    std::string const path = "/proc/self/task/" + std::to_string(thread) + "/syscall";
    std::string text;
    std::getline(std::ifstream(path), text);
    std::string_view const line = text;
    std::size_t const last = line.rfind(' ');
    if (last == std::string_view::npos) {
        return false;  // "running"
    }
    std::size_t const one_before = line.rfind(' ', last - 1);
    if (one_before == std::string_view::npos) {
        return false;
    }
    where.pc = std::strtoull(std::string(line.substr(last + 1)).c_str(), nullptr, 16);
    where.sp = std::strtoull(std::string(line.substr(one_before + 1, last - one_before - 1)).c_str(), nullptr, 16);
    return where.pc != 0;
}

// Through the kernel: what is read belongs to a thread that runs, and some of it may not be there.
std::size_t read_memory(std::uintptr_t address, void* into, std::size_t size) noexcept {
    iovec const local{into, size};
    iovec const remote{reinterpret_cast<void*>(address), size};
    ssize_t const got = ::process_vm_readv(::getpid(), &local, 1, &remote, 1, 0);
    return got > 0 ? static_cast<std::size_t>(got) : 0;
}

// Does a call instruction end right before this address?
bool follows_a_call([[maybe_unused]] std::uintptr_t address) noexcept {
#if defined(__x86_64__)
    std::array<unsigned char, 8> code{};
    if (address < code.size() || read_memory(address - code.size(), code.data(), code.size()) != code.size()) {
        return false;
    }
    // call rel32, or call by register or memory (opcode ff, second digit 2) of two to seven bytes.
    if (code[3] == 0xe8) {
        return true;
    }
    for (std::size_t length = 2; length <= 7; ++length) {
        if (code[8 - length] == 0xff && (code[9 - length] & 0x38) == 0x10) {
            return true;
        }
    }
#endif
    return false;
}

bool find(std::uintptr_t address, Dl_info& info) {
    return ::dladdr(reinterpret_cast<void*>(address), &info) != 0 && info.dli_fname != nullptr;
}

void describe(std::uintptr_t address, Dl_info const& info, std::string& text) {
    std::string_view file = info.dli_fname;
    file.remove_prefix(file.rfind('/') == std::string_view::npos ? 0 : file.rfind('/') + 1);
    char place[64];
    std::snprintf(place, sizeof place, "+0x%zx)",
                  static_cast<std::size_t>(address - reinterpret_cast<std::uintptr_t>(info.dli_fbase)));
    if (info.dli_sname != nullptr) {
        int status = 0;
        char* const readable = abi::__cxa_demangle(info.dli_sname, nullptr, nullptr, &status);
        text += status == 0 ? readable : info.dli_sname;
        text += ' ';
        std::free(readable);
    }
    text += '(';
    text += file;
    text += place;
}

std::string describe(registers const& where) {
    std::string text;
    Dl_info info{};
    if (find(where.pc, info)) {
        describe(where.pc, info, text);
    } else {
        text = "(unknown code)";
    }
    Dl_info program{};
    find(static_cast<std::uintptr_t>(::getauxval(AT_ENTRY)), program);
    std::vector<std::uintptr_t> stack(k_stack_words);
    std::size_t const words = read_memory(where.sp, stack.data(), k_stack_words * sizeof stack[0]) / sizeof stack[0];
    std::size_t callers = 0;
    std::size_t in_libraries = 0;
    for (std::size_t i = 0; i < words && callers < k_most_callers; ++i) {
        if (stack[i] <= 4096 || !find(stack[i] - 1, info) || !follows_a_call(stack[i])) {
            continue;
        }
        if (info.dli_fbase != program.dli_fbase && ++in_libraries > k_most_library_callers) {
            continue;
        }
        text += " < ";
        describe(stack[i] - 1, info, text);
        ++callers;
    }
    return text;
}

}  // namespace

void install_place_handler() noexcept {
    static std::once_flag once;
    std::call_once(once, [] {
        struct sigaction present {};
        if (::sigaction(k_signal, nullptr, &present) != 0 || (present.sa_flags & SA_SIGINFO) != 0 ||
            (present.sa_handler != SIG_DFL && present.sa_handler != SIG_IGN)) {
            return;
        }
        struct sigaction ours {};
        ours.sa_sigaction = &answer;
        ours.sa_flags = SA_SIGINFO | SA_ONSTACK | SA_RESTART;
        ::sigemptyset(&ours.sa_mask);
        handler_installed.store(::sigaction(k_signal, &ours, nullptr) == 0, std::memory_order_release);
    });
}

std::string place_of_thread(pid_t thread) {
    std::lock_guard const guard(question_lock);
    registers where;
    if (registers_in_system_call(thread, where)) {
        return "in a system call at " + describe(where);
    }
    if (ask(thread, where)) {
        return "at " + describe(where);
    }
    return "at a place that it did not tell";
}

}  // namespace coir::detail
