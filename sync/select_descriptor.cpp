// SPDX-License-Identifier: BSL-1.0
#include <coir/sync/detail/descriptor_case.hpp>

#include "core/io/foreign_descriptor.hpp"

#include <coir/core/base/errno_of.hpp>
#include <coir/sync/event.hpp>

#include <cerrno>
#include <cstdint>
#include <system_error>
#include <thread>

#include <poll.h>
#include <sys/eventfd.h>
#include <unistd.h>

namespace coir::detail {

class descriptor_case::watcher {
public:
    watcher() = default;
    watcher(watcher const&) = delete;
    watcher& operator=(watcher const&) = delete;
    virtual ~watcher() = default;

    virtual bool is_ready() = 0;
    virtual bool enlist(wait_node& node) noexcept = 0;
    virtual void withdraw(wait_node& node) noexcept = 0;
};

class descriptor_case::task_watcher final : public watcher {
public:
    task_watcher(int fd, io_direction d) : descriptor_(fd, d) {
        descriptor_.is_ready();
        descriptor_.watch();
    }
    bool is_ready() override { return descriptor_.is_ready(); }
    bool enlist(wait_node& node) noexcept override { return descriptor_.enlist(node); }
    void withdraw(wait_node& node) noexcept override { descriptor_.withdraw(node); }

private:
    foreign_descriptor descriptor_;
};

class descriptor_case::thread_watcher final : public watcher {
public:
    thread_watcher(int fd, io_direction d) : fd_(fd), events_(d == io_direction::read ? POLLIN | POLLRDHUP : POLLOUT) {
        auto const made = errno_of(&::eventfd, 0u, static_cast<int>(EFD_CLOEXEC));
        if (!made) {
            throw std::system_error(made.error, std::system_category(), "coir: cannot wait for this descriptor");
        }
        stop_ = made.value;
        try {
            thread_ = std::thread([this] { watch(); });
        } catch (...) {
            errno_of(&::close, stop_);
            throw;
        }
    }
    ~thread_watcher() override {
        std::uint64_t const one = 1;
        errno_of(&::write, stop_, static_cast<void const*>(&one), sizeof(one));  // an empty eventfd takes it
        thread_.join();
        errno_of(&::close, stop_);
    }

    // It was, when the other thread looked: what a level means anyway.
    bool is_ready() override { return ready_.is_set(); }
    bool enlist(wait_node& node) noexcept override { return ready_.enlist(node); }
    void withdraw(wait_node& node) noexcept override { ready_.withdraw(node); }

private:
    void watch() noexcept {
        pollfd entries[] = {{fd_, static_cast<short>(events_), 0}, {stop_, POLLIN, 0}};
        while (errno_of(&::poll, static_cast<pollfd*>(entries), nfds_t{2}, -1).error == EINTR) {
        }
        if (entries[0].revents != 0) {
            ready_.set();
        }
    }

    int const fd_;
    int const events_;
    int stop_ = -1;
    event ready_;
    std::thread thread_;
};

namespace {

io_direction as_io(bool writes) noexcept {
    return writes ? io_direction::write : io_direction::read;
}

}  // namespace

descriptor_case::descriptor_case(int fd, direction d) noexcept : fd_(fd), direction_(d) {}
descriptor_case::~descriptor_case() = default;

bool descriptor_case::poll() {
    return watcher_ ? watcher_->is_ready() : foreign_descriptor::is_ready(fd_, as_io(direction_ == direction::write));
}

void descriptor_case::start() {
    io_direction const d = as_io(direction_ == direction::write);
    if (current_task_or_null() != nullptr) {
        watcher_ = std::make_unique<task_watcher>(fd_, d);
    } else {
        watcher_ = std::make_unique<thread_watcher>(fd_, d);
    }
}

void descriptor_case::stop(bool) noexcept {
    watcher_.reset();
}

bool descriptor_case::enlist(waiter& who) noexcept {
    node_ = wait_node();
    node_.who = &who;
    return watcher_->enlist(node_);
}

void descriptor_case::withdraw() noexcept {
    watcher_->withdraw(node_);
}

bool descriptor_case::settled() noexcept {
    return node_.chosen;
}

}  // namespace coir::detail
