// SPDX-License-Identifier: BSL-1.0
#include "executors/process/spawn_impl.hpp"

#include "core/sched/main_entry.hpp"

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <csignal>
#include <cstring>
#include <string_view>
#include <system_error>

#include <fcntl.h>
#include <spawn.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#ifndef P_PIDFD
#define P_PIDFD 3
#endif

namespace coir::detail {
namespace {

// Without these the program would not start, or its sanitizer would behave in another way than in the parent.
constexpr std::string_view k_always_inherited[] = {"LD_LIBRARY_PATH", "LD_PRELOAD",    "ASAN_OPTIONS", "LSAN_OPTIONS",
                                                   "TSAN_OPTIONS",    "UBSAN_OPTIONS", "MSAN_OPTIONS"};

void check(int error, char const* what) {
    if (error != 0) {
        throw std::system_error(error, std::generic_category(), std::string("coir: a worker process: ") + what);
    }
}

struct spawn_actions {
    spawn_actions() { check(::posix_spawn_file_actions_init(&value), "posix_spawn_file_actions_init"); }
    spawn_actions(spawn_actions const&) = delete;
    spawn_actions& operator=(spawn_actions const&) = delete;
    ~spawn_actions() { ::posix_spawn_file_actions_destroy(&value); }
    posix_spawn_file_actions_t value;
};

struct spawn_attributes {
    spawn_attributes() { check(::posix_spawnattr_init(&value), "posix_spawnattr_init"); }
    spawn_attributes(spawn_attributes const&) = delete;
    spawn_attributes& operator=(spawn_attributes const&) = delete;
    ~spawn_attributes() { ::posix_spawnattr_destroy(&value); }
    posix_spawnattr_t value;
};

std::vector<char*> pointers_to(std::vector<std::string> const& texts) {
    std::vector<char*> pointers;
    pointers.reserve(texts.size() + 1);
    for (std::string const& text : texts) {
        pointers.push_back(const_cast<char*>(text.c_str()));
    }
    pointers.push_back(nullptr);
    return pointers;
}

// Not one of 0, 1 and 2, which a program that has closed its own may get: the worker's would be in the way of it.
owned_descriptor above_standard(owned_descriptor fd) {
    if (fd.get() > k_worker_channel) {
        return fd;
    }
    owned_descriptor moved(::fcntl(fd.get(), F_DUPFD_CLOEXEC, k_worker_channel + 1));
    check(moved ? 0 : errno, "fcntl(F_DUPFD_CLOEXEC)");
    return moved;
}

bool is_inherited(std::string_view name, std::vector<std::string> const& inherited) {
    auto const matches = [name](std::string_view pattern) {
        return pattern.ends_with('*') ? name.starts_with(pattern.substr(0, pattern.size() - 1)) : name == pattern;
    };
    return name != k_worker_marker &&
           (std::any_of(inherited.begin(), inherited.end(), matches) ||
            std::any_of(std::begin(k_always_inherited), std::end(k_always_inherited), matches));
}

}  // namespace

std::string worker_marker::text() const {
    constexpr char k_digits[] = "0123456789abcdef";
    std::string result = std::to_string(parent) + ":";
    for (std::byte const b : secret) {
        result += k_digits[static_cast<unsigned>(b) >> 4];
        result += k_digits[static_cast<unsigned>(b) & 15];
    }
    return result;
}

std::optional<worker_marker> worker_marker::parse(std::string const& text) {
    worker_marker result;
    char const* const end = text.data() + text.size();
    auto const number = std::from_chars(text.data(), end, result.parent);
    if (number.ec != std::errc() || result.parent <= 0 || number.ptr == end || *number.ptr != ':' ||
        end - number.ptr - 1 != static_cast<std::ptrdiff_t>(2 * result.secret.size())) {
        return std::nullopt;
    }
    char const* at = number.ptr + 1;
    for (std::byte& b : result.secret) {
        unsigned value = 0;
        auto const digits = std::from_chars(at, at + 2, value, 16);
        if (digits.ec != std::errc() || digits.ptr != at + 2) {
            return std::nullopt;
        }
        b = static_cast<std::byte>(value);
        at += 2;
    }
    return result;
}

std::vector<std::string> worker_environment(std::vector<std::string> const& inherited, worker_marker const& marker) {
    std::vector<std::string> result{std::string(k_worker_marker) + "=" + marker.text()};
    for (char** each = environ; each != nullptr && *each != nullptr; ++each) {
        std::string_view const entry = *each;
        if (is_inherited(entry.substr(0, entry.find('=')), inherited)) {
            result.emplace_back(entry);
        }
    }
    return result;
}

spawned_worker spawn_worker(std::vector<std::string> const& arguments, std::vector<std::string> const& inherited) {
    int ends[2];
    check(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) == 0 ? 0 : errno, "socketpair");
    owned_descriptor ours(ends[0]);
    owned_descriptor theirs(ends[1]);
    theirs = above_standard(std::move(theirs));
    check(::fcntl(ours.get(), F_SETFL, O_NONBLOCK) == 0 ? 0 : errno, "fcntl(O_NONBLOCK)");

    worker_marker marker{::getpid(), {}};
    check(::getrandom(marker.secret.data(), marker.secret.size(), 0) == static_cast<ssize_t>(marker.secret.size())
              ? 0
              : errno,
          "getrandom");

    spawn_actions actions;
    check(::posix_spawn_file_actions_addopen(&actions.value, STDIN_FILENO, "/dev/null", O_RDONLY, 0), "stdin");
    check(::posix_spawn_file_actions_adddup2(&actions.value, theirs.get(), k_worker_channel), "the channel");
#if __GLIBC_PREREQ(2, 34)
    // The worker closes what it was not meant to have as well, but only after the loader and static initialisers ran.
    check(::posix_spawn_file_actions_addclosefrom_np(&actions.value, k_worker_channel + 1), "closefrom");
#endif

    spawn_attributes attributes;
    sigset_t none;
    sigset_t all;
    ::sigemptyset(&none);
    ::sigfillset(&all);
    check(::posix_spawnattr_setsigmask(&attributes.value, &none), "the signal mask");
    check(::posix_spawnattr_setsigdefault(&attributes.value, &all), "the signals' dispositions");
    // A session of its own: Ctrl-C is for the program, which decides what becomes of its workers.
    check(::posix_spawnattr_setflags(&attributes.value,
                                     POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETSID),
          "flags");

    std::vector<std::string> const environment = worker_environment(inherited, marker);
    spawned_worker result;
    check(::posix_spawn(&result.pid, "/proc/self/exe", &actions.value, &attributes.value, pointers_to(arguments).data(),
                        pointers_to(environment).data()),
          "posix_spawn of /proc/self/exe");
    result.process = owned_descriptor(static_cast<int>(::syscall(SYS_pidfd_open, result.pid, 0)));
    if (!result.process) {
        int const error = errno;
        ::kill(result.pid, SIGKILL);
        ::waitpid(result.pid, nullptr, 0);
        check(error, "pidfd_open");
    }
    result.channel = std::move(ours);
    result.secret = marker.secret;
    return result;
}

std::string process_end::text() const {
    if (signal != 0) {
        char const* const name = ::strsignal(signal);
        return "was killed by signal " + std::to_string(signal) +
               (name != nullptr ? std::string(" (") + name + ")" : "");
    }
    return exit_status >= 0 ? "exited with status " + std::to_string(exit_status) : "ended in a way that nobody knows";
}

process_end collect(int pidfd) noexcept {
    siginfo_t info{};
    while (::waitid(static_cast<idtype_t>(P_PIDFD), static_cast<id_t>(pidfd), &info, WEXITED) != 0) {
        if (errno != EINTR) {
            return {};  // the program ignores SIGCHLD, or waits for any child
        }
    }
    if (info.si_code == CLD_EXITED) {
        return {0, info.si_status};
    }
    return {info.si_status, -1};
}

void kill_group(spawned_worker const& worker) noexcept {
    // In a program that ignores SIGCHLD, or waits for any child, it may be gone with its number.
    siginfo_t info{};
    if (::waitid(static_cast<idtype_t>(P_PIDFD), static_cast<id_t>(worker.process.get()), &info,
                 WEXITED | WNOHANG | WNOWAIT) == 0 &&
        info.si_pid == worker.pid) {
        ::kill(-worker.pid, SIGKILL);  // it leads its session, and so a group
    }
}

void kill_process(int pidfd) noexcept {
    ::syscall(SYS_pidfd_send_signal, pidfd, SIGKILL, nullptr, 0);
}

}  // namespace coir::detail
