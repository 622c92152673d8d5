// SPDX-License-Identifier: BSL-1.0
#include <coir/core/base/errors.hpp>

#include "core/base/type_name.hpp"

namespace coir {
namespace {

constexpr std::size_t k_most_told = 5;

std::string told(std::exception_ptr const& error) {
    try {
        std::rethrow_exception(error);
    } catch (exception_group const& e) {
        return std::string("(") + e.what() + ")";
    } catch (std::exception const& e) {
        return e.what();
    } catch (...) {
        return std::string("an exception of type ") + detail::type_name::of_current_exception().c_str();
    }
}

std::string told(std::vector<std::exception_ptr> const& errors) {
    std::string text = std::to_string(errors.size()) + " tasks of a group failed";
    char const* before = ": ";
    for (std::size_t i = 0; i < errors.size() && i < k_most_told; ++i) {
        text += before + told(errors[i]);
        before = "; ";
    }
    if (errors.size() > k_most_told) {
        text += "; and " + std::to_string(errors.size() - k_most_told) + " more";
    }
    return text;
}

}  // namespace

exception_group::exception_group(std::vector<std::exception_ptr> exceptions)
    : std::runtime_error(told(exceptions)), exceptions_(std::move(exceptions)) {}

}  // namespace coir
