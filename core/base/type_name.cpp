// SPDX-License-Identifier: BSL-1.0
#include "core/base/type_name.hpp"

#include <cstdlib>

#include <cxxabi.h>

namespace coir::detail {

type_name::type_name(std::type_info const& type) noexcept : type_name(&type) {}

type_name::type_name(std::type_info const* type) noexcept : mangled_(type != nullptr ? type->name() : "unknown") {
    if (type != nullptr) {
        readable_ = abi::__cxa_demangle(mangled_, nullptr, nullptr, nullptr);
    }
}

type_name type_name::of_current_exception() noexcept {
    return type_name(abi::__cxa_current_exception_type());
}

type_name::~type_name() {
    std::free(readable_);
}

}  // namespace coir::detail
