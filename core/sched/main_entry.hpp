// SPDX-License-Identifier: BSL-1.0
#pragma once

// Where a program begins, as far as worker processes are concerned: a process pool starts its workers by executing the
// program's own image again, with a marker in the environment. run(argc, argv, f) and serve_if_worker() find the marker
// and hand over to whoever serves; the pools' library registers that here, because core does not know of it.

#include <optional>
#include <string>
#include <vector>

namespace coir::detail {

/// The environment variable that makes a process a worker. It is gone as soon as main() has been entered.
inline constexpr char k_worker_marker[] = "COIR_WORKER_PROCESS";

/// Serves the pool that the marker's text describes; returns the status to exit with.
using worker_main = int (*)(std::string const& marker) noexcept;

/// At static initialisation.
void register_worker_main(worker_main serve) noexcept;

/// What main() was called with; nothing if it did not go through run(argc, argv, f) or serve_if_worker().
std::optional<std::vector<std::string>> main_arguments();

}  // namespace coir::detail
