// SPDX-License-Identifier: BSL-1.0
#include <coir/net/socket.hpp>

#include "core/base/fault.hpp"
#include "core/io/descriptor.hpp"
#include "core/task/suspend_task.hpp"

#include <coir/core/base/errors.hpp>

#include <algorithm>
#include <cerrno>
#include <mutex>
#include <thread>
#include <utility>

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

namespace coir::detail {
namespace {

// A task whose socket always has data, or room, lets the others have a turn after so many operations, of which one that moves
// much counts as several. About 10 us, half of what a wake-up through the kernel takes: so a socket that is waited for beside
// one that sends flat out is hardly later than alone (tests/stress/fairness_test.cpp), and a look at the poller for every
// 32 KiB hardly shows.
constexpr unsigned k_operations_in_a_row = 16;
constexpr std::size_t k_bytes_of_one = 2048;

std::error_code to_error(int number) noexcept {
    return {number, std::system_category()};
}

template <class Query>
net::endpoint ask(Query query, int fd, std::error_code& error) noexcept {
    sockaddr_storage storage{};
    auto* const address = reinterpret_cast<sockaddr*>(&storage);
    socklen_t size = sizeof storage;
    error = to_error(errno_of(query, fd, address, &size).error);
    return error ? net::endpoint() : net::endpoint(address, size);
}

// What sendmsg(2) and recvmsg(2) take.
class message {
public:
    explicit message(std::span<io_slice const> slices) noexcept {
        for (io_slice const& one : slices.first(std::min(slices.size(), k_slices))) {
            parts_[count_++] = iovec{one.data, one.size};
            size_ += one.size;
        }
    }
    std::size_t size() const noexcept { return size_; }
    msghdr header() noexcept {
        msghdr h{};
        h.msg_iov = parts_;
        h.msg_iovlen = count_;
        return h;
    }

private:
    iovec parts_[k_slices];
    std::size_t count_ = 0;
    std::size_t size_ = 0;
};

auto attempt_to_accept(sockaddr_storage& address, socklen_t& size) noexcept {
    return [&address, &size](int fd) -> syscall_result<int> {
        if (COIR_FAULT(accept_no_descriptor)) {
            return {-1, EMFILE};
        }
        size = sizeof address;
        return errno_of(&::accept4, fd, reinterpret_cast<sockaddr*>(&address), &size, SOCK_NONBLOCK | SOCK_CLOEXEC);
    };
}

}  // namespace

// A stay of the caller inside the socket's slot; empty if it is closed.
class socket_handle::use {
public:
    explicit use(socket_handle const& owner) noexcept : owner_(owner), is_thread_(current_task_or_null() == nullptr) {
        std::lock_guard const guard(owner.lock_);
        if (owner.slot_ != nullptr && owner.slot_->enter()) {
            slot_ = owner.slot_;
            owner.threads_inside_ += is_thread_ ? 1 : 0;
        }
    }
    use(use const&) = delete;
    use& operator=(use const&) = delete;
    ~use() {
        if (slot_ == nullptr) {
            return;
        }
        if (is_thread_) {
            std::lock_guard const guard(owner_.lock_);
            --owner_.threads_inside_;
        }
        slot_->exit();
    }

    explicit operator bool() const noexcept { return slot_ != nullptr; }
    fd_slot& operator*() const noexcept { return *slot_; }
    fd_slot* operator->() const noexcept { return slot_; }

private:
    socket_handle const& owner_;
    fd_slot* slot_ = nullptr;
    bool const is_thread_;
};

socket_handle::socket_handle(int fd) {
    try {
        slot_ = &fd_slot::open(fd);
    } catch (...) {
        errno_of(&::close, fd);
        throw;
    }
}

socket_handle::socket_handle(socket_handle&& other) noexcept : slot_(std::exchange(other.slot_, nullptr)) {}

socket_handle& socket_handle::operator=(socket_handle&& other) noexcept {
    if (this != &other) {
        close();
        slot_ = std::exchange(other.slot_, nullptr);
    }
    return *this;
}

socket_handle socket_handle::open(net::endpoint const& address, int type, std::error_code& error) {
    int const family = address.is_v6() ? AF_INET6 : AF_INET;
    auto const result = errno_of(&::socket, family, type | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    error = to_error(result.error);
    return result ? socket_handle(result.value) : socket_handle();
}

bool socket_handle::is_open() const noexcept {
    std::lock_guard const guard(lock_);
    return slot_ != nullptr;
}

void socket_handle::close() noexcept {
    fd_slot* slot = nullptr;
    bool threads_wait = false;
    {
        std::lock_guard const guard(lock_);
        slot = std::exchange(slot_, nullptr);
        threads_wait = threads_inside_ != 0;
    }
    if (slot == nullptr) {
        return;
    }
    // close() marks the slot as closing before they wake: they then find out why. Their stay keeps the descriptor open.
    bool const stays = threads_wait && slot->enter();
    slot->close();
    if (stays) {
        errno_of(&::shutdown, slot->fd(), static_cast<int>(SHUT_RDWR));
        slot->exit();
    }
}

void socket_handle::checkpoint(std::atomic<unsigned>& operations) {
    // Not exact when several use one direction at once, which does not matter.
    unsigned const count = operations.load(std::memory_order_relaxed) + 1;
    if (count <= k_operations_in_a_row) {
        operations.store(count, std::memory_order_relaxed);
        throw_if_cancel_pending();
        return;
    }
    operations.store(1, std::memory_order_relaxed);
    if (!try_yield_to_events()) {
        std::this_thread::yield();
    }
}

// `call` is one errno_of() that moves up to `size` bytes.
template <class Call>
std::size_t socket_handle::transfer(io_direction direction, std::size_t size, clock::time_point deadline,
                                    std::error_code& error, Call call) {
    std::atomic<unsigned>& operations = direction == io_direction::read ? reads_ : writes_;
    checkpoint(operations);
    use const in(*this);
    if (!in) {
        error = to_error(EBADF);
        return 0;
    }
    error.clear();
    if (size == 0) {
        return 0;
    }
    auto const outcome = perform(*in, direction, deadline, call);
    if (outcome.error != 0) {
        error = to_error(outcome.error);
        return 0;
    }
    auto const count = static_cast<std::size_t>(outcome.value);
    if (count == 0 && in->is_closing()) {
        // close() shuts the socket down for the threads inside: not the end of what the peer sends.
        error = to_error(ECANCELED);
    }
    if (count != 0 && count < size) {
        // A short read means that nothing is left, a short write that there is no room: the next one waits without
        // asking the system first. (No byte at all is the end of the stream, which stays readable.)
        in->direction(direction).clear_ready_unless_hung_up(outcome.seen);
        operations.store(0, std::memory_order_relaxed);
    } else {
        operations.store(operations.load(std::memory_order_relaxed) + static_cast<unsigned>(count / k_bytes_of_one),
                         std::memory_order_relaxed);
    }
    return count;
}

std::size_t socket_handle::read_some(void* data, std::size_t size, clock::time_point deadline, std::error_code& error) {
    COIR_FAULT_SHORTEN(read_short, size);
    return transfer(io_direction::read, size, deadline, error,
                    [&](int fd) { return errno_of(&::recv, fd, data, size, static_cast<int>(0)); });
}

std::size_t socket_handle::write_some(void const* data, std::size_t size, clock::time_point deadline,
                                      std::error_code& error) {
    COIR_FAULT_SHORTEN(write_short, size);
    return transfer(io_direction::write, size, deadline, error,
                    [&](int fd) { return errno_of(&::send, fd, data, size, static_cast<int>(MSG_NOSIGNAL)); });
}

std::size_t socket_handle::read_some(std::span<io_slice const> to, clock::time_point deadline, std::error_code& error) {
    message parts(to);
    msghdr header = parts.header();
    return transfer(io_direction::read, parts.size(), deadline, error,
                    [&](int fd) { return errno_of(&::recvmsg, fd, &header, static_cast<int>(0)); });
}

std::size_t socket_handle::write_some(std::span<io_slice const> from, clock::time_point deadline,
                                      std::error_code& error) {
    message parts(from);
    msghdr header = parts.header();
    return transfer(io_direction::write, parts.size(), deadline, error, [&](int fd) {
        return errno_of(&::sendmsg, fd, static_cast<msghdr const*>(&header), static_cast<int>(MSG_NOSIGNAL));
    });
}

// A short datagram says nothing about the next one: the readiness stays as it is known.
std::size_t socket_handle::receive_from(void* data, std::size_t size, net::endpoint& sender, clock::time_point deadline,
                                        std::error_code& error) {
    checkpoint(reads_);
    use const in(*this);
    if (!in) {
        error = to_error(EBADF);
        return 0;
    }
    sockaddr_storage storage{};
    auto* const address = reinterpret_cast<sockaddr*>(&storage);
    socklen_t length = 0;
    auto const outcome = perform(*in, io_direction::read, deadline, [&](int fd) {
        length = sizeof storage;
        return errno_of(&::recvfrom, fd, data, size, static_cast<int>(MSG_TRUNC), address, &length);
    });
    error = to_error(outcome.error);
    if (error) {
        return 0;
    }
    sender = net::endpoint(address, length);
    auto const whole = static_cast<std::size_t>(outcome.value);
    if (whole > size) {
        error = to_error(EMSGSIZE);
    }
    return std::min(whole, size);
}

std::size_t socket_handle::send_to(void const* data, std::size_t size, net::endpoint const& receiver,
                                   clock::time_point deadline, std::error_code& error) {
    checkpoint(writes_);
    use const in(*this);
    if (!in) {
        error = to_error(EBADF);
        return 0;
    }
    auto const outcome = perform(*in, io_direction::write, deadline, [&](int fd) {
        return errno_of(&::sendto, fd, data, size, static_cast<int>(MSG_NOSIGNAL), receiver.data(),
                        static_cast<socklen_t>(receiver.size()));
    });
    error = to_error(outcome.error);
    return error ? 0 : static_cast<std::size_t>(outcome.value);
}

std::size_t socket_handle::write_all(void const* data, std::size_t size, clock::time_point deadline,
                                     std::error_code& error) {
    error.clear();
    std::size_t written = 0;
    while (written < size && !error) {
        written += write_some(static_cast<char const*>(data) + written, size - written, deadline, error);
    }
    return written;
}

std::size_t socket_handle::write_now(void const* data, std::size_t size, std::error_code& error) noexcept {
    use const in(*this);
    if (!in) {
        error = to_error(EBADF);
        return 0;
    }
    COIR_FAULT_SHORTEN(write_short, size);
    auto const outcome = perform_now(*in, io_direction::write, [&](int fd) {
        return errno_of(&::send, fd, data, size, static_cast<int>(MSG_NOSIGNAL));
    });
    error = to_error(outcome.error);
    return outcome.error == 0 ? static_cast<std::size_t>(outcome.value) : 0;
}

// `carry_out(slot, attempt)` is perform() or perform_now().
template <class CarryOut>
socket_handle socket_handle::accept_by(CarryOut carry_out, net::endpoint& peer, std::error_code& error) {
    use const in(*this);
    if (!in) {
        error = to_error(EBADF);
        return {};
    }
    sockaddr_storage address{};
    socklen_t size = 0;
    auto const outcome = carry_out(*in, attempt_to_accept(address, size));
    error = to_error(outcome.error);
    if (error) {
        return {};
    }
    socket_handle accepted(static_cast<int>(outcome.value));
    peer = net::endpoint(reinterpret_cast<sockaddr const*>(&address), size);
    return accepted;
}

socket_handle socket_handle::accept(net::endpoint& peer, clock::time_point deadline, std::error_code& error) {
    checkpoint(reads_);
    return accept_by(
        [deadline](fd_slot& slot, auto attempt) { return perform(slot, io_direction::read, deadline, attempt); }, peer,
        error);
}

socket_handle socket_handle::accept_now(net::endpoint& peer, std::error_code& error) {
    return accept_by([](fd_slot& slot, auto attempt) { return perform_now(slot, io_direction::read, attempt); }, peer,
                     error);
}

void socket_handle::connect(net::endpoint const& peer, clock::time_point deadline, std::error_code& error) {
    checkpoint(writes_);
    use const in(*this);
    if (!in) {
        error = to_error(EBADF);
        return;
    }
    auto started = errno_of(&::connect, in->fd(), peer.data(), static_cast<socklen_t>(peer.size()));
    if (started.error == EINPROGRESS && COIR_FAULT(connect_interrupted)) {
        started.error = EINTR;  // it goes on nevertheless
    }
    if (started || (started.error != EINPROGRESS && started.error != EINTR)) {
        error = to_error(started.error);
        return;
    }
    // Only now is the socket registered anywhere: before, it would have been reported as hung up.
    in->direction(io_direction::write).clear_ready_unless_hung_up(in->direction(io_direction::write).snapshot());
    auto const outcome = perform(*in, io_direction::write, deadline, [](int fd) -> syscall_result<int> {
        int failure = 0;
        socklen_t size = sizeof failure;
        auto const asked = errno_of(&::getsockopt, fd, static_cast<int>(SOL_SOCKET), static_cast<int>(SO_ERROR),
                                    static_cast<void*>(&failure), &size);
        return failure != 0 ? syscall_result<int>{-1, failure} : asked;
    });
    error = to_error(outcome.error);
}

void socket_handle::bind(net::endpoint const& local, std::error_code& error) noexcept {
    use const in(*this);
    error = in ? to_error(errno_of(&::bind, in->fd(), local.data(), static_cast<socklen_t>(local.size())).error)
               : to_error(EBADF);
}

void socket_handle::listen(int backlog, std::error_code& error) noexcept {
    use const in(*this);
    error = in ? to_error(errno_of(&::listen, in->fd(), backlog).error) : to_error(EBADF);
}

void socket_handle::shutdown(int how, std::error_code& error) noexcept {
    use const in(*this);
    error = in ? to_error(errno_of(&::shutdown, in->fd(), how).error) : to_error(EBADF);
}

void socket_handle::set_option(int level, int name, int value, std::error_code& error) noexcept {
    use const in(*this);
    error = in ? to_error(errno_of(&::setsockopt, in->fd(), level, name, static_cast<void const*>(&value),
                                   static_cast<socklen_t>(sizeof value))
                              .error)
               : to_error(EBADF);
}

net::endpoint socket_handle::local_endpoint(std::error_code& error) const noexcept {
    use const in(*this);
    if (!in) {
        error = to_error(EBADF);
        return {};
    }
    return ask(&::getsockname, in->fd(), error);
}

net::endpoint socket_handle::remote_endpoint(std::error_code& error) const noexcept {
    use const in(*this);
    if (!in) {
        error = to_error(EBADF);
        return {};
    }
    return ask(&::getpeername, in->fd(), error);
}

void throw_socket_error(std::error_code error, char const* what) {
    if (error == std::errc::timed_out) {
        throw timeout_error(std::string(what) + ": timed out");
    }
    throw std::system_error(error, what);
}

}  // namespace coir::detail
