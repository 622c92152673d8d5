// SPDX-License-Identifier: BSL-1.0
#include "executors/process/exception_impl.hpp"
#include "executors/process/frame_impl.hpp"
#include "executors/process/image_impl.hpp"
#include "executors/process/request_impl.hpp"
#include "executors/process/spawn_impl.hpp"

#include <coir/executors/process/archive.hpp>

#include <cereal/types/list.hpp>
#include <cereal/types/map.hpp>
#include <cereal/types/memory.hpp>
#include <cereal/types/string.hpp>
#include <cereal/types/vector.hpp>

#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>
#include <list>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <utility>
#include <vector>

namespace coir::detail {
namespace {

byte_buffer frame_with(frame_kind kind, std::uint64_t job, std::size_t size) {
    byte_buffer frame = begin_frame_buffer();
    for (std::size_t i = 0; i < size; ++i) {
        frame.push_back(static_cast<std::byte>(i * 7 + size));
    }
    finish_frame(frame, kind, job);
    return frame;
}

// Feeds the bytes in pieces of at most `piece`, and gives back what comes out, as bytes again.
byte_buffer through_reader(byte_buffer const& bytes, std::size_t piece) {
    frame_reader reader;
    byte_buffer out;
    std::size_t at = 0;
    while (at < bytes.size()) {
        auto const space = reader.space();
        std::size_t const count = std::min({piece, bytes.size() - at, space.size()});
        std::memcpy(space.data(), bytes.data() + at, count);
        reader.advance(count);
        at += count;
        while (auto const whole = reader.next()) {
            byte_buffer frame = begin_frame_buffer();
            frame.insert(frame.end(), whole->body.begin(), whole->body.end());
            finish_frame(frame, whole->header.kind, whole->header.job);
            out.insert(out.end(), frame.begin(), frame.end());
        }
    }
    EXPECT_FALSE(reader.in_the_middle());
    return out;
}

TEST(frames, come_out_as_they_went_in_however_they_are_cut) {
    byte_buffer bytes;
    for (std::size_t const size : {0u, 1u, 100u, 16 * 1024u, 16 * 1024u - 24u, 300'000u, 3u, 0u}) {
        auto const frame = frame_with(frame_kind::value, size + 1, size);
        bytes.insert(bytes.end(), frame.begin(), frame.end());
    }
    for (std::size_t const piece : {1u, 5u, 23u, 24u, 25u, 4096u, 16 * 1024u, 1u << 20}) {
        EXPECT_EQ(through_reader(bytes, piece), bytes) << piece;
    }
}

TEST(frames, of_the_wrong_shape_are_refused) {
    auto const good = frame_with(frame_kind::value, 1, 10);
    auto const refused = [](byte_buffer bytes) {
        frame_reader reader;
        std::memcpy(reader.space().data(), bytes.data(), bytes.size());
        reader.advance(bytes.size());
        EXPECT_THROW(reader.next(), protocol_error);
    };
    for (std::size_t const at : {0u, 3u, 4u, 7u, 20u, 23u}) {  // magic, kind, the high bytes of the length
        byte_buffer bad = good;
        bad[at] = std::byte{0xee};
        refused(bad);
    }
}

TEST(frames, take_no_memory_for_what_they_only_promise) {
    std::array<std::byte, k_frame_header_size> header;
    write_header(header, {frame_kind::value, 1, k_largest_frame});
    frame_reader reader;
    std::memcpy(reader.space().data(), header.data(), header.size());
    reader.advance(header.size());
    EXPECT_FALSE(reader.next());
    EXPECT_LE(reader.space().size(), std::size_t{1} << 20);
}

template <class T>
byte_buffer bytes_of(T const& value) {
    byte_buffer bytes;
    wire_output out(bytes);
    out(value);
    out.finish();
    return bytes;
}

template <class T>
T value_of(byte_buffer const& bytes) {
    wire_input in(bytes);
    T value{};
    in(value);
    in.expect_end();
    return value;
}

TEST(archive, refuses_every_beginning_of_a_value) {
    using type = std::map<std::string, std::vector<std::list<int>>>;
    type const value{{"a", {{1, 2}, {3}}}, {"bc", {{}, {4}}}};
    byte_buffer const whole = bytes_of(value);
    EXPECT_EQ(value_of<type>(whole), value);
    for (std::size_t size = 0; size < whole.size(); ++size) {
        EXPECT_THROW(value_of<type>(byte_buffer(whole.begin(), whole.begin() + static_cast<std::ptrdiff_t>(size))),
                     wire_error)
            << size;
    }
    byte_buffer more = whole;
    more.push_back(std::byte{1});
    EXPECT_THROW(value_of<type>(more), wire_error);
}

TEST(archive, holds_bytes_as_it_holds_characters) {
    std::vector<std::byte> const bytes{std::byte{0}, std::byte{7}, std::byte{255}};
    EXPECT_EQ(bytes_of(bytes), bytes_of(std::vector<unsigned char>{0, 7, 255}));
    EXPECT_EQ(value_of<std::vector<std::byte>>(bytes_of(bytes)), bytes);
    std::list<std::vector<std::byte>> const lists{bytes, {}, bytes};
    EXPECT_EQ(value_of<std::list<std::vector<std::byte>>>(bytes_of(lists)), lists);
}

TEST(archive, refuses_sizes_beyond_what_remains) {
    for (std::uint64_t const size :
         {std::uint64_t{9}, std::uint64_t{1} << 30, std::uint64_t{1} << 62, ~std::uint64_t{0}}) {
        byte_buffer bytes(16, std::byte{0});
        std::memcpy(bytes.data(), &size, sizeof size);
        EXPECT_THROW(value_of<std::vector<char>>(bytes), wire_error);
        EXPECT_THROW(value_of<std::vector<double>>(bytes), wire_error);
        EXPECT_THROW(value_of<std::vector<std::byte>>(bytes), wire_error);
        EXPECT_THROW(value_of<std::vector<std::string>>(bytes), wire_error);
        EXPECT_THROW(value_of<std::string>(bytes), wire_error);
        EXPECT_THROW(value_of<std::list<int>>(bytes), wire_error);
        EXPECT_THROW((value_of<std::map<int, int>>(bytes)), wire_error);
        EXPECT_THROW(value_of<std::vector<bool>>(bytes), wire_error);
    }
}

TEST(archive, refuses_a_bool_that_is_none) {
    byte_buffer bytes(1, std::byte{2});
    EXPECT_THROW(value_of<bool>(bytes), wire_error);
}

struct chain {
    std::unique_ptr<chain> next;
    template <class Archive>
    void serialize(Archive& ar) {
        ar(next);
    }
};

TEST(archive, refuses_to_nest_for_ever) {
    byte_buffer const bytes(100'000, std::byte{1});  // each: there is a next one
    EXPECT_THROW(value_of<chain>(bytes), wire_error);

    chain first;
    for (int i = 0; i < 1000; ++i) {
        auto longer = std::make_unique<chain>();
        longer->next = std::move(first.next);
        first.next = std::move(longer);
    }
    EXPECT_THROW(bytes_of(first), std::length_error);
}

TEST(archive, refuses_spans_outside_of_the_segment) {
    std::vector<std::byte> const segment(1000);
    auto const read = [&](std::uint64_t offset, std::uint64_t size) {
        byte_buffer bytes(17, std::byte{1});
        std::memcpy(bytes.data() + 1, &size, sizeof size);
        std::memcpy(bytes.data() + 9, &offset, sizeof offset);
        wire_input in(bytes, segment);
        return in.read_span().size();
    };
    EXPECT_EQ(read(0, 1000), 1000u);
    EXPECT_EQ(read(1000, 0), 0u);
    EXPECT_THROW(read(1, 1000), wire_error);
    EXPECT_THROW(read(1001, 0), wire_error);
    EXPECT_THROW(read(~std::uint64_t{0}, 2), wire_error);
    EXPECT_THROW(read(2, ~std::uint64_t{0}), wire_error);
}

TEST(exceptions, are_refused_when_they_are_none) {
    for (unsigned first = 0; first < 256; ++first) {
        for (unsigned second : {0u, 3u, 100u, 255u}) {
            byte_buffer bytes(20, static_cast<std::byte>(second));
            bytes[0] = static_cast<std::byte>(first);
            wire_input in(bytes);
            try {
                EXPECT_NE(read_exception(in), nullptr);
            } catch (wire_error const&) {
            }
        }
    }
}

int a_function() {
    return 1;
}

TEST(function_names, find_the_function_again) {
    auto const name = name_of_function(reinterpret_cast<void const*>(&a_function));
    EXPECT_TRUE(name.path.empty());
    EXPECT_EQ(name.image, program_image());
    EXPECT_EQ(address_of_function(name), reinterpret_cast<void*>(&a_function));
    auto const in_library = name_of_function(reinterpret_cast<void const*>(&::strlen));
    EXPECT_NE(in_library.image, program_image());
    EXPECT_EQ(address_of_function(in_library), reinterpret_cast<void*>(&::strlen));
}

TEST(function_names, that_point_to_no_code_are_refused) {
    auto name = name_of_function(reinterpret_cast<void const*>(&a_function));
    name.offset = 0;
    EXPECT_THROW(address_of_function(name), std::runtime_error);
    name.offset = ~std::uint64_t{0} / 2;
    EXPECT_THROW(address_of_function(name), std::runtime_error);
    name.image = "bnone";
    EXPECT_THROW(address_of_function(name), std::runtime_error);
    int on_the_stack = 0;
    EXPECT_THROW(name_of_function(&on_the_stack), std::logic_error);
}

TEST(job_frames, begin_with_a_place_a_deadline_and_a_name) {
    auto const name = name_of_function(reinterpret_cast<void const*>(&a_function));
    byte_buffer written;
    wire_output out(written);
    write_name(out, name);
    byte_buffer frame = begin_job_frame({reinterpret_cast<char const*>(written.data()), written.size()});
    auto const read = [&] {
        wire_input in(std::span<std::byte const>(frame).subspan(k_frame_header_size));
        auto const place = read_segment_place(in);
        auto const deadline = read_deadline(in);
        EXPECT_EQ(read_name(in).offset, name.offset);
        EXPECT_EQ(in.remaining(), 0u);
        return std::pair(place.id, deadline);
    };
    EXPECT_EQ(read(), std::pair(std::uint64_t{0}, clock::time_point::max()));
    auto const deadline = clock::time_point(std::chrono::hours(5));
    write_segment_place(frame, {7, 8, true});
    write_deadline(frame, deadline);
    EXPECT_EQ(read(), std::pair(std::uint64_t{7}, deadline));
}

TEST(worker_marker, is_read_as_it_was_written_and_otherwise_refused) {
    worker_marker marker{1234, {}};
    marker.secret[3] = std::byte{0xa5};
    auto const read = worker_marker::parse(marker.text());
    ASSERT_TRUE(read);
    EXPECT_EQ(read->parent, 1234);
    EXPECT_EQ(read->secret, marker.secret);
    for (std::string const text : {"", "x", "12", "12:", "12:00", "-1:00000000000000000000000000000000",
                                   "12:0000000000000000000000000000000g", "12:000000000000000000000000000000000"}) {
        EXPECT_FALSE(worker_marker::parse(text)) << text;
    }
}

}  // namespace
}  // namespace coir::detail
