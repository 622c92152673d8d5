// SPDX-License-Identifier: BSL-1.0
//
// Ctrl-C for coir::run: the first one cancels the main task, the second ends the process.
// The handler only counts and writes to an eventfd; a thread that exists for this alone does the rest, because cancelling
// takes locks. The previous handler comes back with the end of the run.

#include <coir/core/sched/runtime.hpp>

#include <atomic>
#include <cerrno>
#include <csignal>
#include <cstdint>
#include <system_error>
#include <thread>

#include <sys/eventfd.h>
#include <unistd.h>

namespace coir::detail {
namespace {

// One run at a time can own the signal; the handler reaches it through these.
std::atomic<int> notify_fd{-1};
std::atomic<int> interrupts{0};

extern "C" void coir_on_sigint(int signal) {
    int const saved = errno;
    if (interrupts.fetch_add(1) > 0) {
        std::signal(signal, SIG_DFL);
        std::raise(signal);
    }
    std::uint64_t const one = 1;
    [[maybe_unused]] auto const written = ::write(notify_fd.load(), &one, sizeof one);
    errno = saved;
}

}  // namespace

struct interrupt_handler::watcher {
    explicit watcher(task_ref target) : target_(std::move(target)) {
        fd_ = ::eventfd(0, EFD_CLOEXEC);
        if (fd_ < 0) {
            throw std::system_error(errno, std::system_category(), "coir: cannot watch for Ctrl-C");
        }
        interrupts.store(0);
        notify_fd.store(fd_);
        thread_ = std::thread([this] { watch(); });
        struct sigaction action {};
        action.sa_handler = &coir_on_sigint;
        action.sa_flags = SA_RESTART;
        ::sigaction(SIGINT, &action, &previous_);
    }

    ~watcher() {
        ::sigaction(SIGINT, &previous_, nullptr);
        stop_.store(true);
        std::uint64_t const one = 1;
        [[maybe_unused]] auto const written = ::write(fd_, &one, sizeof one);
        thread_.join();
        notify_fd.store(-1);
        ::close(fd_);
    }

    void watch() {
        for (;;) {
            std::uint64_t count = 0;
            if (::read(fd_, &count, sizeof count) < 0 && errno == EINTR) {
                continue;
            }
            if (stop_.load()) {
                return;
            }
            target_.cancel("interrupted by Ctrl-C");
        }
    }

    task_ref target_;
    int fd_ = -1;
    std::atomic<bool> stop_{false};
    struct sigaction previous_ {};
    std::thread thread_;
};

interrupt_handler::interrupt_handler(bool wanted, task_ref target)
    : watcher_(wanted ? std::make_unique<watcher>(std::move(target)) : nullptr) {}

interrupt_handler::~interrupt_handler() = default;

}  // namespace coir::detail
