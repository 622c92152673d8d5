// SPDX-License-Identifier: BSL-1.0
#include "executors/process/confine_impl.hpp"

#include <cerrno>
#include <csignal>
#include <ctime>
#include <fstream>
#include <string>
#include <system_error>

#include <fcntl.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#ifndef SYS_close_range
#define SYS_close_range 436
#endif

namespace coir::detail {
namespace {

constexpr rlim_t k_most_files = 1024;
// Thirty years: more is as good as no limit, and the kernel, which counts nanoseconds, has no room for much more.
constexpr std::uint64_t k_for_ever = 1'000'000'000;
// Between SIGXCPU, which a job may catch or ignore, and SIGKILL.
constexpr std::uint64_t k_seconds_to_end = 1;

// What is not open would become the next file that the program opens, and get its output.
void open_missing_standard_descriptors() noexcept {
    for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; ++fd) {
        if (::fcntl(fd, F_GETFD) == -1 && errno == EBADF) {
            ::open("/dev/null", O_RDWR);  // gets the lowest number, which is this one
        }
    }
}

bool is_local_socket(int fd) noexcept {
    int domain = 0;
    socklen_t size = sizeof domain;
    return ::getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &domain, &size) == 0 && domain == AF_UNIX;
}

// In KiB; 0 if the kernel does not say.
std::uint64_t data_in_use() {
    std::ifstream status("/proc/self/status");
    for (std::string line; std::getline(status, line);) {
        if (line.starts_with("VmData:")) {
            return std::stoull(line.substr(7)) * 1024;
        }
    }
    return 0;
}

void set_soft_limit(decltype(RLIMIT_DATA) which, rlim_t value, char const* what) {
    rlimit limit{};
    if (::getrlimit(which, &limit) == 0) {
        limit.rlim_cur = limit.rlim_max == RLIM_INFINITY || value <= limit.rlim_max ? value : limit.rlim_max;
        if (::setrlimit(which, &limit) == 0) {
            return;
        }
    }
    throw std::system_error(errno, std::generic_category(), what);
}

// At so many seconds of processor time. RLIMIT_CPU's hard limit would do the same, but could not be raised again for the next job.
void kill_at_processor_time(std::uint64_t seconds) {
    static int const timer = [] {
        sigevent event{};
        event.sigev_notify = SIGEV_SIGNAL;
        event.sigev_signo = SIGKILL;
        int made = -1;
        if (::syscall(SYS_timer_create, CLOCK_PROCESS_CPUTIME_ID, &event, &made) != 0) {
            throw std::system_error(errno, std::generic_category(), "timer_create");
        }
        return made;
    }();
    itimerspec when{};
    when.it_value.tv_sec = static_cast<time_t>(seconds);
    if (::syscall(SYS_timer_settime, timer, TIMER_ABSTIME, &when, nullptr) != 0) {
        throw std::system_error(errno, std::generic_category(), "timer_settime");
    }
}

}  // namespace

bool die_with_parent(worker_marker const& marker) noexcept {
    // The request first: a parent that dies in between is seen by its number.
    ::prctl(PR_SET_PDEATHSIG, SIGKILL);
    return ::getppid() == marker.parent;
}

bool confine_worker(worker_marker const& marker) noexcept {
    if (!die_with_parent(marker) || !is_local_socket(k_worker_channel)) {
        return false;
    }
    ::syscall(SYS_close_range, static_cast<unsigned>(k_worker_channel) + 1, ~0U, 0U);
    ::fcntl(k_worker_channel, F_SETFD, FD_CLOEXEC);
    open_missing_standard_descriptors();
    ::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
    rlimit const no_core{0, 0};
    ::setrlimit(RLIMIT_CORE, &no_core);
    // What a program has without asking for more, whatever the parent, a server perhaps, has asked for. Only the soft limit: a
    // job may do so, too.
    rlimit files{};
    if (::getrlimit(RLIMIT_NOFILE, &files) == 0 && files.rlim_cur > k_most_files) {
        files.rlim_cur = k_most_files;
        ::setrlimit(RLIMIT_NOFILE, &files);
    }
    return true;
}

void limit_memory(std::uint64_t bytes) {
    // A sanitizer's shadow counts, and is larger than any limit: then the limit is for what comes on top.
    std::uint64_t const used = data_in_use();
    set_soft_limit(RLIMIT_DATA, used < bytes ? bytes : used + bytes, "RLIMIT_DATA");
}

void limit_processor_time(std::uint64_t seconds) {
    if (seconds >= k_for_ever) {
        return;
    }
    rusage used{};
    ::getrusage(RUSAGE_SELF, &used);
    // Whole seconds is what the limit counts in: rounded up, so that a job never has less than it may use.
    auto const microseconds = static_cast<std::uint64_t>(used.ru_utime.tv_sec + used.ru_stime.tv_sec) * 1'000'000 +
                              static_cast<std::uint64_t>(used.ru_utime.tv_usec + used.ru_stime.tv_usec);
    std::uint64_t const end = (microseconds + 999'999) / 1'000'000 + seconds;
    set_soft_limit(RLIMIT_CPU, end, "RLIMIT_CPU");
    kill_at_processor_time(end + k_seconds_to_end);
}

}  // namespace coir::detail
