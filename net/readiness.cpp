// SPDX-License-Identifier: BSL-1.0
#include <coir/net/readiness.hpp>

#include "core/io/foreign_descriptor.hpp"

namespace coir::net::detail {

bool wait_for_readiness(int fd, bool writes, clock::time_point deadline) {
    using coir::detail::io_direction;
    return coir::detail::wait_for_descriptor(fd, writes ? io_direction::write : io_direction::read, deadline);
}

}  // namespace coir::net::detail
