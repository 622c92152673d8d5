// SPDX-License-Identifier: BSL-1.0
#pragma once

// The socket under tcp_stream and tcp_listener: an owner of a descriptor, and the operations on it. Users need not name
// it.

#include <coir/core/base/clock.hpp>
#include <coir/core/base/lock.hpp>
#include <coir/core/task/suspend.hpp>
#include <coir/net/endpoint.hpp>

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <span>
#include <system_error>

namespace coir::detail {

class fd_slot;
enum class io_direction : std::uint8_t;

/// A piece of memory to be filled, or to be written (then nobody writes to it).
struct io_slice {
    void* data = nullptr;
    std::size_t size = 0;
};
/// How many of them go into one system call. Asio takes 64; guessed that few messages have more parts than this.
inline constexpr std::size_t k_slices = 16;

/// Owns a non-blocking socket. Operations may be called from several tasks and threads at once, close() included:
/// whoever waits inside one is woken with std::errc::operation_canceled. Moving it is the owner's alone.
///
/// An operation suspends the calling task (blocks a thread) until it can be carried out. At its start and while it
/// waits it throws a cancellation; whatever the system has accepted or handed out by then is reported instead. All
/// other errors come back in `error`: std::errc::timed_out past the deadline, bad_file_descriptor when closed before.
class socket_handle {
public:
    socket_handle() noexcept = default;
    /// Takes `fd` over, also when it throws std::bad_alloc.
    explicit socket_handle(int fd);
    socket_handle(socket_handle&& other) noexcept;
    socket_handle& operator=(socket_handle&& other) noexcept;
    ~socket_handle() { close(); }

    /// Of the family of `address`, which not every machine has; `type` as socket(2) has it.
    static socket_handle open(net::endpoint const& address, int type, std::error_code& error);

    bool is_open() const noexcept;
    void close() noexcept;

    /// At the end of the stream 0, without an error.
    std::size_t read_some(void* data, std::size_t size, clock::time_point deadline, std::error_code& error);
    std::size_t write_some(void const* data, std::size_t size, clock::time_point deadline, std::error_code& error);
    /// The same with up to k_slices pieces, in one system call.
    std::size_t read_some(std::span<io_slice const> to, clock::time_point deadline, std::error_code& error);
    std::size_t write_some(std::span<io_slice const> from, clock::time_point deadline, std::error_code& error);
    /// A datagram, whole or with message_size in `error`, and then as much as there was room for. Of size 0 too.
    std::size_t receive_from(void* data, std::size_t size, net::endpoint& sender, clock::time_point deadline,
                             std::error_code& error);
    std::size_t send_to(void const* data, std::size_t size, net::endpoint const& receiver, clock::time_point deadline,
                        std::error_code& error);
    /// Writes on until everything is written, or an error; returns how much was.
    std::size_t write_all(void const* data, std::size_t size, clock::time_point deadline, std::error_code& error);
    /// Never waits: std::errc::operation_would_block. No cancellation point.
    std::size_t write_now(void const* data, std::size_t size, std::error_code& error) noexcept;

    socket_handle accept(net::endpoint& peer, clock::time_point deadline, std::error_code& error);
    /// Never waits: std::errc::operation_would_block when nobody is in the queue. No cancellation point.
    socket_handle accept_now(net::endpoint& peer, std::error_code& error);

    void connect(net::endpoint const& peer, clock::time_point deadline, std::error_code& error);
    void bind(net::endpoint const& local, std::error_code& error) noexcept;
    void listen(int backlog, std::error_code& error) noexcept;
    /// As shutdown(2).
    void shutdown(int how, std::error_code& error) noexcept;
    void set_option(int level, int name, int value, std::error_code& error) noexcept;
    net::endpoint local_endpoint(std::error_code& error) const noexcept;
    net::endpoint remote_endpoint(std::error_code& error) const noexcept;

private:
    class use;

    void checkpoint(std::atomic<unsigned>& operations);
    template <class Call>
    std::size_t transfer(io_direction direction, std::size_t size, clock::time_point deadline, std::error_code& error,
                         Call call);
    template <class CarryOut>
    socket_handle accept_by(CarryOut carry_out, net::endpoint& peer, std::error_code& error);

    // Guards slot_ against a close() between reading it and entering the slot.
    mutable spin_mutex lock_;
    fd_slot* slot_ = nullptr;
    // Plain threads inside: they wait in poll(2), which closing alone does not end.
    mutable std::uint32_t threads_inside_ = 0;
    std::atomic<unsigned> reads_{0};
    std::atomic<unsigned> writes_{0};
};

/// Throws what `error` stands for: timeout_error for std::errc::timed_out, else std::system_error.
[[noreturn]] void throw_socket_error(std::error_code error, char const* what);

}  // namespace coir::detail
