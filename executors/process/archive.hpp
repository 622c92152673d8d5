// SPDX-License-Identifier: BSL-1.0
#pragma once

// Two cereal archives, binary, for one machine. cereal's own cannot be used on bytes that another process sends: they
// believe every container's size before they have seen the elements.
//
// What the reader holds to:
//   1. A container's size is at most the number of bytes that remain. Elements may take no bytes at all (empty classes):
//      the writer pads the end with zeros so that the rule holds for everything that it writes.
//   2. A vector grows with the elements that were read, not by what its size claims.
//   3. Nothing nests deeper than k_deepest: a reader's stack is finite.
//   4. A bool is 0 or 1.
//   5. Behind the last value stand only zeros.

#include <coir/executors/process/bytes.hpp>

#include <cereal/cereal.hpp>

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <span>
#include <stdexcept>
#include <type_traits>
#include <vector>

namespace coir::detail {

/// Bytes that no writer of this program makes.
class wire_error : public std::runtime_error {
public:
    using std::runtime_error::runtime_error;
};

inline constexpr unsigned k_deepest = 400;
/// Below that, copying twice is cheaper than shared memory. Guessed; see bench/process_pool.
inline constexpr std::size_t k_shared_from = 32 * 1024;
/// How parts of a shared segment are aligned.
inline constexpr std::size_t k_share_alignment = 64;

/// Appends to a buffer. Spans of k_shared_from bytes and more are only noted, for a segment of shared memory.
class wire_output : public cereal::OutputArchive<wire_output, cereal::AllowEmptyClassElision> {
public:
    explicit wire_output(byte_buffer& to)
        : cereal::OutputArchive<wire_output, cereal::AllowEmptyClassElision>(this), to_(to) {}

    void write(void const* data, std::size_t size) {
        if (size > k_largest_frame || to_.size() > k_largest_frame - size) {
            throw std::length_error("coir::process_pool_executor: more than 1 GiB of arguments or results in one job");
        }
        auto const* const first = static_cast<std::byte const*>(data);
        to_.insert(to_.end(), first, first + size);
    }
    void write_size(std::uint64_t size) {
        write(&size, sizeof size);
        if (size > k_largest_frame - to_.size()) {
            throw std::length_error("coir::process_pool_executor: a container too large for one job");
        }
        end_ = end_ < to_.size() + size ? to_.size() + static_cast<std::size_t>(size) : end_;
    }
    void write_span(std::span<std::byte const> bytes) {
        bool const shared = bytes.size() >= k_shared_from;
        std::uint64_t const size = bytes.size();
        write(&shared, 1);
        write(&size, sizeof size);
        if (shared) {
            std::uint64_t const offset = shared_size_;
            write(&offset, sizeof offset);
            shared_.push_back(bytes);
            shared_size_ += (bytes.size() + k_share_alignment - 1) / k_share_alignment * k_share_alignment;
        } else {
            write(bytes.data(), bytes.size());
        }
    }
    /// After the last value.
    void finish() {
        if (to_.size() < end_) {
            to_.resize(end_, std::byte{0});
        }
    }

    void enter() {
        if (++depth_ > k_deepest) {
            throw std::length_error("coir::process_pool_executor: an argument or result nests too deep to be sent");
        }
    }
    void leave() noexcept { --depth_; }

    /// What is to be copied into shared memory, each at the next multiple of k_share_alignment.
    std::vector<std::span<std::byte const>> const& shared() const noexcept { return shared_; }
    std::size_t shared_size() const noexcept { return shared_size_; }

private:
    byte_buffer& to_;
    std::size_t end_ = 0;
    unsigned depth_ = 0;
    std::vector<std::span<std::byte const>> shared_;
    std::size_t shared_size_ = 0;
};

/// Reads from bytes that nobody changes meanwhile. Throws wire_error.
class wire_input : public cereal::InputArchive<wire_input, cereal::AllowEmptyClassElision> {
public:
    explicit wire_input(std::span<std::byte const> from, std::span<std::byte const> segment = {})
        : cereal::InputArchive<wire_input, cereal::AllowEmptyClassElision>(this), rest_(from), segment_(segment) {}

    std::size_t remaining() const noexcept { return rest_.size(); }

    void read(void* data, std::size_t size) {
        auto const part = take(size);
        if (size != 0) {
            std::memcpy(data, part.data(), size);
        }
    }
    std::span<std::byte const> take(std::size_t size) {
        if (size > rest_.size()) {
            throw wire_error("a message ends in the middle of a value");
        }
        auto const part = rest_.first(size);
        rest_ = rest_.subspan(size);
        return part;
    }
    std::uint64_t read_size() {
        std::uint64_t size = 0;
        read(&size, sizeof size);
        if (size > rest_.size()) {
            throw wire_error("a message claims a container larger than itself");
        }
        return size;
    }
    /// Lies in the message, unaligned, or in the segment.
    std::span<std::byte const> read_span() {
        bool shared = false;
        std::uint64_t size = 0;
        read_bool(shared);
        read(&size, sizeof size);
        if (!shared) {
            if (size > rest_.size()) {
                throw wire_error("a message claims more bytes than it has");
            }
            return take(static_cast<std::size_t>(size));
        }
        std::uint64_t offset = 0;
        read(&offset, sizeof offset);
        if (offset > segment_.size() || size > segment_.size() - offset) {
            throw wire_error("a message claims bytes outside of its shared memory");
        }
        return segment_.subspan(static_cast<std::size_t>(offset), static_cast<std::size_t>(size));
    }
    void read_bool(bool& value) {
        unsigned char byte = 0;
        read(&byte, 1);
        if (byte > 1) {
            throw wire_error("a message holds a bool that is neither true nor false");
        }
        value = byte == 1;
    }
    /// After the last value.
    void expect_end() const {
        for (std::byte const b : rest_) {
            if (b != std::byte{0}) {
                throw wire_error("a message has more values than its type");
            }
        }
    }

    void enter() {
        if (++depth_ > k_deepest) {
            throw wire_error("a message nests too deep");
        }
    }
    void leave() noexcept { --depth_; }

private:
    std::span<std::byte const> rest_;
    std::span<std::byte const> segment_;
    unsigned depth_ = 0;
};

// cereal finds these by the archive's namespace.

template <class T>
void prologue(wire_output& ar, T const&) {
    ar.enter();
}
template <class T>
void epilogue(wire_output& ar, T const&) {
    ar.leave();
}
template <class T>
void prologue(wire_input& ar, T const&) {
    ar.enter();
}
template <class T>
void epilogue(wire_input& ar, T const&) {
    ar.leave();
}

template <class T>
    requires(std::is_arithmetic_v<T>)
void CEREAL_SAVE_FUNCTION_NAME(wire_output& ar, T const& value) {
    ar.write(&value, sizeof value);
}
template <class T>
    requires(std::is_arithmetic_v<T>)
void CEREAL_LOAD_FUNCTION_NAME(wire_input& ar, T& value) {
    if constexpr (std::is_same_v<T, bool>) {
        ar.read_bool(value);
    } else {
        ar.read(&value, sizeof value);
    }
}

template <class T>
void CEREAL_SAVE_FUNCTION_NAME(wire_output& ar, cereal::NameValuePair<T> const& pair) {
    ar(pair.value);
}
template <class T>
void CEREAL_LOAD_FUNCTION_NAME(wire_input& ar, cereal::NameValuePair<T>& pair) {
    ar(pair.value);
}

template <class T>
void CEREAL_SAVE_FUNCTION_NAME(wire_output& ar, cereal::SizeTag<T> const& tag) {
    ar.write_size(static_cast<std::uint64_t>(tag.size));
}
template <class T>
void CEREAL_LOAD_FUNCTION_NAME(wire_input& ar, cereal::SizeTag<T>& tag) {
    tag.size = static_cast<std::remove_reference_t<decltype(tag.size)>>(ar.read_size());
}

template <class T>
void CEREAL_SAVE_FUNCTION_NAME(wire_output& ar, cereal::BinaryData<T> const& data) {
    ar.write(data.data, static_cast<std::size_t>(data.size));
}
template <class T>
void CEREAL_LOAD_FUNCTION_NAME(wire_input& ar, cereal::BinaryData<T>& data) {
    ar.read(data.data, static_cast<std::size_t>(data.size));
}

// cereal takes std::byte for an enumeration like any other, one at a time.
template <class A>
void CEREAL_SAVE_FUNCTION_NAME(wire_output& ar, std::vector<std::byte, A> const& bytes) {
    ar.write_size(bytes.size());
    ar.write(bytes.data(), bytes.size());
}

// More specialised than cereal's, which resize first. (That one is good enough for bits.)
template <class T, class A>
    requires(!std::is_same_v<T, bool>)
void CEREAL_LOAD_FUNCTION_NAME(wire_input& ar, std::vector<T, A>& to) {
    auto const size = static_cast<std::size_t>(ar.read_size());
    to.clear();
    if constexpr (std::is_arithmetic_v<T> || std::is_same_v<T, std::byte>) {
        if (size > ar.remaining() / sizeof(T)) {
            throw wire_error("a message claims a container larger than itself");
        }
        to.resize(size);
        ar.read(to.data(), size * sizeof(T));
    } else {
        for (std::size_t i = 0; i < size; ++i) {
            ar(to.emplace_back());
        }
    }
}

}  // namespace coir::detail

CEREAL_REGISTER_ARCHIVE(coir::detail::wire_output)
CEREAL_REGISTER_ARCHIVE(coir::detail::wire_input)
CEREAL_SETUP_ARCHIVE_TRAITS(coir::detail::wire_input, coir::detail::wire_output)
