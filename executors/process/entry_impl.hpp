// SPDX-License-Identifier: BSL-1.0
#pragma once

namespace coir::detail {

/// Does nothing, but brings the worker's side, which registers itself, into every program that makes pools.
void link_worker_entry() noexcept;

}  // namespace coir::detail
