// SPDX-License-Identifier: BSL-1.0
#pragma once

// The life of a server: a task that accepts, a task for each connection, and their common end.
//
//   open      accepting
//   closing   close() was called: the accepting task takes those who are in the queue already, then closes the listener
//   finished  it has ended, and so has every connection; no more can come, so this stays

#include <coir/core/base/lock.hpp>
#include <coir/core/task/task.hpp>
#include <coir/net/server.hpp>
#include <coir/net/tcp_listener.hpp>
#include <coir/sync/event.hpp>

#include <atomic>
#include <cstddef>
#include <functional>
#include <list>
#include <memory>
#include <optional>
#include <string>

namespace coir::net::detail_server {

class connections : public std::enable_shared_from_this<connections> {
public:
    using serve_function = std::function<void(tcp_stream)>;

    connections(tcp_listener listener, serve_function serve, std::size_t limit);

    /// Starts to accept. `name` is that of the connections' tasks. In a task.
    void start(std::string name);

    endpoint const& local() const noexcept { return local_; }
    std::size_t count() const noexcept { return count_.load(std::memory_order_relaxed); }
    bool is_closing() const noexcept { return closing_.load(std::memory_order_seq_cst); }

    void close();
    /// Set once it has been closed and the last connection has ended.
    event& finished() noexcept { return finished_; }
    /// close(), wait for the connections until the deadline, cancel them, wait for their end.
    void drain_until(clock::time_point deadline);

private:
    // A connection's task, for as long as its function runs.
    struct running {
        task_ref task;
        unsigned cancelled_in;  // the last cancel_all() that has reached it
    };
    using running_list = std::list<running>;

    void accept_all();
    void accept_while_open();
    bool accept_one();
    void take_the_queue();
    void take(tcp_stream peer);
    void serve_one(tcp_stream peer);
    void cancel_all();
    std::optional<task_ref> next_to_cancel(unsigned round) noexcept;
    void wait_for_room();
    void acceptor_ended() noexcept;
    void connection_ended() noexcept;

    tcp_listener listener_;
    serve_function const serve_;
    endpoint const local_;
    std::size_t const limit_;
    std::string name_;
    std::uint64_t last_number_ = 0;  // the accepting task's
    std::atomic<bool> closing_{false};
    std::atomic<std::size_t> count_{0};  // changed under lock_

    coir::detail::spin_mutex lock_;  // guards, up to the next comment:
    running_list running_;           // those that the last cancel_all() has not reached come first
    std::optional<task_ref> acceptor_;
    bool accepting_ = false;
    unsigned cancellations_ = 0;  // calls of cancel_all()

    event finished_;
    event room_;
};

}  // namespace coir::net::detail_server
