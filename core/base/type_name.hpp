// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <typeinfo>

namespace coir::detail {

/// A type as one writes it, for reports: "std::runtime_error". As the compiler calls it if there is no memory to say so. Allocates
/// nothing with operator new, because a report may well be about a std::bad_alloc.
class type_name {
public:
    explicit type_name(std::type_info const& type) noexcept;
    /// "unknown" for none.
    explicit type_name(std::type_info const* type) noexcept;
    /// Of the exception that is being handled.
    static type_name of_current_exception() noexcept;
    type_name(type_name const&) = delete;
    type_name& operator=(type_name const&) = delete;
    ~type_name();

    char const* c_str() const noexcept { return readable_ != nullptr ? readable_ : mangled_; }

private:
    char const* mangled_;
    char* readable_ = nullptr;  // by malloc
};

}  // namespace coir::detail
