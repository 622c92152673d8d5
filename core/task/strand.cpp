// SPDX-License-Identifier: BSL-1.0
#include <coir/core/task/strand.hpp>

#include "core/task/strand_state.hpp"

namespace coir {

strand::strand() : state_(std::make_shared<detail::strand_state>()) {}

}  // namespace coir
