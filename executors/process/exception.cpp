// SPDX-License-Identifier: BSL-1.0
#include "executors/process/exception_impl.hpp"

#include "core/base/type_name.hpp"

#include <coir/executors/process/errors.hpp>

#include <any>
#include <cstdlib>
#include <filesystem>
#include <functional>
#include <future>
#include <ios>
#include <memory>
#include <new>
#include <optional>
#include <regex>
#include <stdexcept>
#include <string>
#include <string_view>
#include <system_error>
#include <type_traits>
#include <typeinfo>
#include <utility>
#include <variant>

namespace coir::detail {
namespace {

constexpr std::size_t k_longest_text = 64 * 1024;

// What follows says which; their order is the encoding.
enum class family : std::uint8_t { simple, with_code, remote, cancelled };

template <class... Es>
struct type_list {};

using simple_types =
    type_list<std::exception, std::bad_alloc, std::bad_array_new_length, std::bad_cast, std::bad_any_cast,
              std::bad_typeid, std::bad_exception, std::bad_function_call, std::bad_weak_ptr, std::bad_optional_access,
              std::bad_variant_access, std::logic_error, std::domain_error, std::invalid_argument, std::length_error,
              std::out_of_range, std::runtime_error, std::range_error, std::overflow_error, std::underflow_error,
              timeout_error, broken_promise, invalid_state, channel_closed, executor_shut_down, broken_executor,
              worker_start_error, no_running_runtime>;

enum class coded_type : std::uint8_t { system_error, ios_failure, filesystem_error, future_error, regex_error };
enum class category : std::uint8_t { generic, system, iostream, future };

void write_text(wire_output& out, std::string_view text) {
    text = text.substr(0, k_longest_text);
    out.write_size(text.size());
    out.write(text.data(), text.size());
}

std::string_view text_of(std::exception const& error) noexcept {
    char const* const text = error.what();
    return text != nullptr ? text : "";
}

std::string read_text(wire_input& in) {
    auto const bytes = in.take(static_cast<std::size_t>(in.read_size()));
    return {reinterpret_cast<char const*>(bytes.data()), bytes.size()};
}

template <class E>
void write_enum(wire_output& out, E value) {
    out.write(&value, sizeof value);
}

template <class E>
E read_enum(wire_input& in, E last) {
    std::underlying_type_t<E> value = 0;
    in.read(&value, sizeof value);
    if (value > static_cast<std::underlying_type_t<E>>(last)) {
        throw wire_error("an exception of an unknown kind");
    }
    return static_cast<E>(value);
}

// ---- simple: a type and its text -------------------------------------------------------------------------------------

template <class... Es>
int index_of(std::type_info const& type, type_list<Es...>) noexcept {
    int index = 0;
    bool const found = ((type == typeid(Es) || (++index, false)) || ...);
    return found ? index : -1;
}

template <class E>
std::exception_ptr make_simple(std::string const& what) {
    if constexpr (std::is_constructible_v<E, std::string const&>) {
        return std::make_exception_ptr(E(what));
    } else {
        return std::make_exception_ptr(E());
    }
}

template <class... Es>
std::exception_ptr simple_at(std::size_t index, std::string const& what, type_list<Es...>) {
    using maker = std::exception_ptr (*)(std::string const&);
    static constexpr maker makers[] = {&make_simple<Es>...};
    if (index >= std::size(makers)) {
        throw wire_error("an exception of an unknown type");
    }
    return makers[index](what);
}

// ---- with a code -----------------------------------------------------------------------------------------------------

std::optional<category> category_of(std::error_category const& c) noexcept {
    if (c == std::generic_category()) {
        return category::generic;
    }
    if (c == std::system_category()) {
        return category::system;
    }
    if (c == std::iostream_category()) {
        return category::iostream;
    }
    if (c == std::future_category()) {
        return category::future;
    }
    return std::nullopt;
}

std::error_category const& category_at(category c) noexcept {
    switch (c) {
    case category::generic:
        return std::generic_category();
    case category::system:
        return std::system_category();
    case category::iostream:
        return std::iostream_category();
    case category::future:
        break;
    }
    return std::future_category();
}

// What the constructor was given: it has appended the code's message.
std::string_view without_message(std::string_view what, std::string const& message) {
    if (what == message) {
        return {};
    }
    auto const at = what.find(": " + message);
    return at == std::string_view::npos ? what : what.substr(0, at);
}

std::string filesystem_prefix(std::filesystem::filesystem_error const& error) {
    std::string_view what = error.what();
    constexpr std::string_view k_beginning = "filesystem error: ";
    if (what.substr(0, k_beginning.size()) == k_beginning) {
        what.remove_prefix(k_beginning.size());
    }
    return std::string(without_message(what, error.code().message()));
}

bool write_coded(wire_output& out, std::exception const& error) {
    std::type_info const& type = typeid(error);
    auto const write = [&out](coded_type which, category c, int value, std::string_view text) {
        write_enum(out, family::with_code);
        write_enum(out, which);
        write_enum(out, c);
        out.write(&value, sizeof value);
        write_text(out, text);
        return true;
    };
    if (type == typeid(std::regex_error)) {
        return write(coded_type::regex_error, category::generic,
                     static_cast<int>(static_cast<std::regex_error const&>(error).code()), {});
    }
    if (type == typeid(std::future_error)) {
        return write(coded_type::future_error, category::future,
                     static_cast<std::future_error const&>(error).code().value(), {});
    }
    bool const is_file = type == typeid(std::filesystem::filesystem_error);
    // The library's own streams throw a private class that adds nothing.
    bool const is_stream =
        type == typeid(std::ios_base::failure) || type.name() == std::string_view("NSt13__ios_failureE");
    if (!is_file && !is_stream && type != typeid(std::system_error)) {
        return false;
    }
    auto const& coded = static_cast<std::system_error const&>(error);
    std::error_code const code = coded.code();
    auto const c = category_of(code.category());
    if (!c) {
        return false;  // the code means nothing without its category, which the other side may not have
    }
    if (is_file) {
        auto const& file = static_cast<std::filesystem::filesystem_error const&>(error);
        write(coded_type::filesystem_error, *c, code.value(), filesystem_prefix(file));
        write_text(out, file.path1().native());
        write_text(out, file.path2().native());
        return true;
    }
    return write(is_stream ? coded_type::ios_failure : coded_type::system_error, *c, code.value(),
                 without_message(coded.what(), code.message()));
}

std::exception_ptr read_coded(wire_input& in) {
    auto const which = read_enum(in, coded_type::regex_error);
    std::error_category const& kind = category_at(read_enum(in, category::future));
    int value = 0;
    in.read(&value, sizeof value);
    std::string const text = read_text(in);
    std::error_code const code(value, kind);
    switch (which) {
    case coded_type::system_error:
        return std::make_exception_ptr(text.empty() ? std::system_error(code) : std::system_error(code, text));
    case coded_type::ios_failure:
        return std::make_exception_ptr(std::ios_base::failure(text, code));
    case coded_type::filesystem_error: {
        std::filesystem::path const first = read_text(in);
        std::filesystem::path const second = read_text(in);
        using std::filesystem::filesystem_error;
        return std::make_exception_ptr(
            second.empty() ? (first.empty() ? filesystem_error(text, code) : filesystem_error(text, first, code))
                           : filesystem_error(text, first, second, code));
    }
    case coded_type::future_error:
        return std::make_exception_ptr(std::future_error(static_cast<std::future_errc>(value)));
    case coded_type::regex_error:
        break;
    }
    return std::make_exception_ptr(std::regex_error(static_cast<std::regex_constants::error_type>(value)));
}

}  // namespace

void write_current_exception(wire_output& out) {
    try {
        throw;
    } catch (cancelled const& error) {
        write_enum(out, family::cancelled);
        write_text(out, error.reason());
    } catch (std::exception const& error) {
        if (int const index = index_of(typeid(error), simple_types()); index >= 0) {
            write_enum(out, family::simple);
            auto const small = static_cast<std::uint8_t>(index);
            out.write(&small, 1);
            write_text(out, text_of(error));
        } else if (!write_coded(out, error)) {
            write_enum(out, family::remote);
            write_text(out, type_name(typeid(error)).c_str());
            write_text(out, text_of(error));
        }
    } catch (...) {
        write_enum(out, family::remote);
        write_text(out, type_name::of_current_exception().c_str());
        write_text(out, "no std::exception");
    }
    out.finish();
}

std::exception_ptr read_exception(wire_input& in) {
    std::exception_ptr result;
    switch (read_enum(in, family::cancelled)) {
    case family::simple: {
        std::uint8_t index = 0;
        in.read(&index, 1);
        result = simple_at(index, read_text(in), simple_types());
        break;
    }
    case family::with_code:
        result = read_coded(in);
        break;
    case family::remote: {
        std::string name = read_text(in);
        result = std::make_exception_ptr(remote_exception(std::move(name), read_text(in)));
        break;
    }
    case family::cancelled:
        result = std::make_exception_ptr(cancelled(read_text(in)));
        break;
    }
    in.expect_end();
    return result;
}

}  // namespace coir::detail
