// SPDX-License-Identifier: BSL-1.0
#pragma once

// How a worker process is started, and what it is told at its birth.
//
// By posix_spawn, which executes the program's own image anew. A fork alone would copy a process whose other threads are
// gone while their locks are held. The child is to die with its parent; the kernel ties that to the *thread* that made
// it, so only a pool's keeper thread, which outlives its workers, may call this.

#include "executors/process/descriptor_impl.hpp"

#include <array>
#include <cstddef>
#include <optional>
#include <string>
#include <vector>

#include <sys/types.h>

namespace coir::detail {

/// The number of the channel's descriptor in every worker.
inline constexpr int k_worker_channel = 3;

/// Proves that who says hello is who was started.
using nonce = std::array<std::byte, 16>;

/// The text of k_worker_marker.
struct worker_marker {
    pid_t parent = 0;
    nonce secret{};

    std::string text() const;
    /// Nothing for what text() does not write.
    static std::optional<worker_marker> parse(std::string const& text);
};

struct spawned_worker {
    pid_t pid = 0;
    owned_descriptor process;  // a pidfd
    owned_descriptor channel;  // non-blocking
    nonce secret{};
};

/// The environment of a worker: what `inherited` allows, what loader and sanitizers need, the marker.
std::vector<std::string> worker_environment(std::vector<std::string> const& inherited, worker_marker const& marker);

/// Starts one, with these arguments for main(). Throws std::system_error.
spawned_worker spawn_worker(std::vector<std::string> const& arguments, std::vector<std::string> const& inherited);

/// How a process ended.
struct process_end {
    int signal = 0;
    int exit_status = -1;

    std::string text() const;  ///< "was killed by signal 11 (Segmentation fault)"
};

/// Of a process that has ended: collects it.
process_end collect(int pidfd) noexcept;

/// Ends what a worker that has ended leaves running, unless that has gone to a session of its own. Before collect(), after
/// which the number may be somebody else's.
void kill_group(spawned_worker const& worker) noexcept;

/// Ends it, if it has not ended.
void kill_process(int pidfd) noexcept;

}  // namespace coir::detail
