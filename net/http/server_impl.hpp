// SPDX-License-Identifier: BSL-1.0
#pragma once

#include "net/connections_impl.hpp"
#include "net/http/router_impl.hpp"

#include <coir/core/base/lock.hpp>
#include <coir/core/task/task.hpp>
#include <coir/net/http/server.hpp>
#include <coir/sync/event.hpp>

#include <atomic>
#include <cstdint>
#include <memory>
#include <optional>

namespace coir::net::http {

/// What a server and its connections share.
struct server::state {
    explicit state(server_options o) : options(o) {}

    server_options const options;
    router routes;
    std::shared_ptr<detail_server::connections> tasks;  // from listen() on
    std::optional<task_ref> watch_task;
    std::atomic<std::uint64_t> requests{0};

    void enter(connection& c);
    void leave(connection& c) noexcept;
    bool is_draining() const noexcept { return tasks->is_closing(); }
    /// Ends the reading side of those for which `condition` holds, which is asked again until it holds for none.
    template <class Condition>
    void end_reading_of(Condition condition);
    /// The watch: ends those that are late. No connections, no wake-ups.
    void watch();
    void end_idle();

private:
    coir::detail::spin_mutex lock_;  // guards, up to the next comment:
    connection* first_ = nullptr;

    event arrival_;
};

}  // namespace coir::net::http
