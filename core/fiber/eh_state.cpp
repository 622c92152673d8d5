// SPDX-License-Identifier: BSL-1.0
#include "core/fiber/eh_state.hpp"

#include <cxxabi.h>

namespace coir::detail {

COIR_NOIPA eh_state* thread_eh_state() noexcept {
    void* result = abi::__cxa_get_globals();
    asm volatile("" : "+r"(result)::"memory");
    return static_cast<eh_state*>(result);
}

}  // namespace coir::detail
