// SPDX-License-Identifier: BSL-1.0
#include <coir/net/connect.hpp>

#include <coir/core/base/errors.hpp>
#include <coir/core/base/lock.hpp>
#include <coir/core/task/task_group.hpp>
#include <coir/core/task/timeout.hpp>
#include <coir/net/resolve.hpp>
#include <coir/sync/event.hpp>

#include <algorithm>
#include <memory>
#include <mutex>
#include <optional>
#include <vector>

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

namespace coir::net {
namespace {

coir::detail::socket_handle try_one(endpoint const& peer, clock::time_point deadline, std::error_code& error) {
    auto socket = coir::detail::socket_handle::open(peer, SOCK_STREAM, error);
    if (!error) {
        socket.set_option(IPPROTO_TCP, TCP_NODELAY, 1, error);
    }
    if (!error) {
        socket.connect(peer, deadline, error);
    }
    return socket;
}

// The families in turn, beginning with that of the first; each in its own order.
std::vector<endpoint> interleaved(std::vector<endpoint> const& all) {
    bool const v6_first = all.front().is_v6();
    std::vector<endpoint> first;
    std::vector<endpoint> second;
    for (endpoint const& one : all) {
        (one.is_v6() == v6_first ? first : second).push_back(one);
    }
    std::vector<endpoint> result;
    for (std::size_t i = 0; i < std::max(first.size(), second.size()); ++i) {
        if (i < first.size()) {
            result.push_back(first[i]);
        }
        if (i < second.size()) {
            result.push_back(second[i]);
        }
    }
    return result;
}

tcp_stream connect_in_turn(std::vector<endpoint> const& peers, clock::time_point deadline, std::error_code& first) {
    for (endpoint const& peer : peers) {
        std::error_code error;
        auto socket = try_one(peer, deadline, error);
        if (!error) {
            first.clear();
            return tcp_stream(std::move(socket));
        }
        if (!first) {
            first = error;
        }
    }
    return {};
}

// Several addresses in a task: each attempt is a child, and the first one to succeed ends the others.
class race {
public:
    void attempt(endpoint const& peer) {
        std::error_code error;
        auto socket = try_one(peer, coir::detail::k_never, error);
        std::lock_guard const guard(lock_);
        if (!error && !winner_) {
            winner_ = std::move(socket);
        } else if (error && !first_error_) {
            first_error_ = error;
        }
    }

    // Starts the attempts one by one until one has won or all have failed.
    tcp_stream run(std::vector<endpoint> const& peers, clock::duration delay, std::error_code& error) {
        task_group attempts;
        for (std::size_t started = 0;;) {
            progress_.clear();
            {
                std::lock_guard const guard(lock_);
                if (winner_) {
                    return tcp_stream(std::move(*winner_));
                }
                if (ended_ == peers.size()) {
                    // None: they were cancelled, or failed for want of memory, which the group reports.
                    error = first_error_ ? first_error_ : std::make_error_code(std::errc::operation_canceled);
                    return {};
                }
            }
            if (started == peers.size()) {
                progress_.wait();
                continue;
            }
            // A task that is cancelled before it has started never runs, but its callable always ends: so that counts.
            std::shared_ptr<void> ending(nullptr, [this](void*) { attempt_ended(); });
            attempts.spawn([this, &peer = peers[started], ending = std::move(ending)] { attempt(peer); });
            ++started;
            progress_.wait_for(delay);
        }
    }

private:
    void attempt_ended() noexcept {
        {
            std::lock_guard const guard(lock_);
            ++ended_;
        }
        progress_.set();
    }

    coir::detail::spin_mutex lock_;
    std::size_t ended_ = 0;                              // under lock_
    std::optional<coir::detail::socket_handle> winner_;  // under lock_
    std::error_code first_error_;                        // under lock_
    event progress_;
};

tcp_stream connect_to_any(std::string const& host, service const& port, clock::duration delay,
                          clock::time_point deadline) {
    auto const peers = interleaved(resolve(host, port));
    std::error_code error;
    tcp_stream connected;
    if (peers.size() == 1 || coir::detail::current_task_or_null() == nullptr) {
        connected = connect_in_turn(peers, deadline, error);
    } else {
        race contest;
        connected = contest.run(peers, delay, error);
    }
    if (error == std::errc::timed_out) {
        throw timeout_error("coir::net: connecting to " + host + " port " + port.name() + " timed out");
    }
    if (error) {
        throw std::system_error(error, "coir::net: cannot connect to " + host + " port " + port.name());
    }
    return connected;
}

}  // namespace

tcp_stream connect(std::string const& host, service const& port, connect_options options) {
    if (options.timeout <= std::chrono::nanoseconds::zero()) {
        return connect_to_any(host, port, options.attempt_delay, coir::detail::k_never);
    }
    auto const deadline = coir::detail::deadline_after(clock::now(), options.timeout);
    if (coir::detail::current_task_or_null() == nullptr) {
        return connect_to_any(host, port, options.attempt_delay, deadline);
    }
    try {
        return with_deadline(deadline,
                             [&] { return connect_to_any(host, port, options.attempt_delay, coir::detail::k_never); });
    } catch (timeout_error const&) {
        throw timeout_error("coir::net: connecting to " + host + " port " + port.name() + " timed out");
    }
}

}  // namespace coir::net
