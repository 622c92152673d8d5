// SPDX-License-Identifier: BSL-1.0
//
// What a worker process may send to its pool, and a pool to its workers: bytes that are cut anywhere give the same
// frames, and every body is either read or refused by wire_error. What was read can be written and read again.
#include "executors/process/exception_impl.hpp"
#include "executors/process/frame_impl.hpp"
#include "executors/process/request_impl.hpp"

#include <coir/executors/process/archive.hpp>
#include <coir/executors/process/signature.hpp>

#include <cereal/types/list.hpp>
#include <cereal/types/map.hpp>
#include <cereal/types/memory.hpp>
#include <cereal/types/optional.hpp>
#include <cereal/types/string.hpp>
#include <cereal/types/tuple.hpp>
#include <cereal/types/variant.hpp>
#include <cereal/types/vector.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <exception>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <tuple>
#include <variant>
#include <vector>

namespace {

using namespace coir::detail;

struct tree {
    int value = 0;
    std::vector<std::unique_ptr<tree>> children;

    template <class Archive>
    void serialize(Archive& ar) {
        ar(value, children);
    }
};

using everything = std::tuple<std::string, std::vector<double>, std::map<std::string, std::vector<bool>>, tree,
                              std::optional<std::variant<int, std::string>>>;

struct outcome {
    std::vector<frame> frames;
    bool refused = false;
};

outcome decode(std::span<std::byte const> bytes, std::size_t piece) {
    frame_reader reader(1 << 20);
    outcome result;
    try {
        while (!bytes.empty()) {
            auto const space = reader.space();
            std::size_t const count = std::min({piece, bytes.size(), space.size()});
            std::memcpy(space.data(), bytes.data(), count);
            reader.advance(count);
            bytes = bytes.subspan(count);
            while (auto whole = reader.next()) {
                result.frames.push_back(std::move(*whole));
            }
        }
    } catch (protocol_error const&) {
        result.refused = true;
    }
    return result;
}

bool same(outcome const& a, outcome const& b) {
    return a.refused == b.refused && std::equal(a.frames.begin(), a.frames.end(), b.frames.begin(), b.frames.end(),
                                                [](frame const& x, frame const& y) {
                                                    return x.header.kind == y.header.kind &&
                                                           x.header.job == y.header.job && x.body == y.body;
                                                });
}

void demand(bool holds) {
    if (!holds) {
        std::abort();
    }
}

template <class Write>
byte_buffer written(Write const& write) {
    byte_buffer bytes;
    wire_output out(bytes);
    write(out);
    return bytes;
}

// What this side has written is never refused: noexcept.
template <class Read>
void read_again(std::span<std::byte const> bytes, Read const& read) noexcept {
    wire_input in(bytes);
    read(in);
}

// ---- what a pool reads from a worker ---------------------------------------------------------------------------------

template <class T>
void read_value(byte_buffer const& body) {
    wire_input in(body);
    T value{};
    in(value);
    in.expect_end();
    // It is the same for whoever gets it next.
    byte_buffer const again = written([&](wire_output& out) {
        out(value);
        out.finish();
    });
    read_again(again, [&](wire_input& second) {
        T copy{};
        second(copy);
        second.expect_end();
        demand(written([&](wire_output& out) {
                   out(copy);
                   out.finish();
               }) == again);
    });
}

void read_thrown(byte_buffer const& body) {
    wire_input in(body);
    std::exception_ptr const thrown = read_exception(in);
    byte_buffer const again = written([&](wire_output& out) {
        try {
            std::rethrow_exception(thrown);
        } catch (...) {
            write_current_exception(out);
        }
    });
    read_again(again, [](wire_input& second) { demand(read_exception(second) != nullptr); });
}

void read_greeting(byte_buffer const& body) {
    wire_input in(body);
    hello_message const hello = read_hello(in);
    byte_buffer const again = written([&](wire_output& out) { write_hello(out, hello); });
    read_again(again, [&](wire_input& second) {
        hello_message const copy = read_hello(second);
        demand(copy.secret == hello.secret && copy.program == hello.program);
    });
}

void read_as_pool(frame const& from) {
    switch (from.header.kind) {
    case frame_kind::value:
        read_value<everything>(from.body);
        break;
    case frame_kind::error:
    case frame_kind::start_failed:
        read_thrown(from.body);
        break;
    case frame_kind::hello:
        read_greeting(from.body);
        break;
    case frame_kind::ready:
    case frame_kind::overflow:
    case frame_kind::setup:
    case frame_kind::job:
        break;
    }
}

// ---- what a worker reads from its pool -------------------------------------------------------------------------------

// Reads every byte that it is given, so that AddressSanitizer sees what is none of its business.
std::uint64_t sum_of(std::string_view text, std::span<std::byte const> bytes, tree const& some,
                     std::vector<int> const& numbers) {
    std::uint64_t sum = static_cast<std::uint64_t>(some.value) + some.children.size();
    for (char const c : text) {
        sum = sum * 31 + static_cast<unsigned char>(c);
    }
    for (std::byte const b : bytes) {
        sum = sum * 31 + static_cast<std::uint64_t>(b);
    }
    for (int const n : numbers) {
        sum = sum * 31 + static_cast<std::uint64_t>(n);
    }
    return sum;
}

void read_job(frame const& from) {
    wire_input head(from.body);
    segment_place const place = read_segment_place(head);
    auto const deadline = read_deadline(head);
    function_name const name = read_name(head);
    byte_buffer const name_again = written([&](wire_output& out) { write_name(out, name); });
    byte_buffer again = begin_job_frame({reinterpret_cast<char const*>(name_again.data()), name_again.size()});
    write_segment_place(again, place);
    write_deadline(again, deadline);
    read_again(std::span<std::byte const>(again).subspan(k_frame_header_size), [&](wire_input& second) {
        segment_place const copy = read_segment_place(second);
        demand(copy.id == place.id && copy.capacity == place.capacity && copy.keep == place.keep);
        demand(read_deadline(second) == deadline);
        function_name const same_name = read_name(second);
        demand(same_name.image == name.image && same_name.path == name.path && same_name.offset == name.offset);
    });

    // Whatever the message says of its segment: the kernel maps what there is.
    static std::vector<std::byte> const segment(4096, std::byte{7});
    wire_input arguments(head.take(head.remaining()), place.capacity != 0 ? shared_bytes(segment) : shared_bytes());
    byte_buffer answer = begin_frame_buffer();
    wire_output out(answer);
    remote_function_for<&sum_of>::thunk(arguments, out);
    finish_frame(answer, frame_kind::value, from.header.job);
    outcome const sent = decode(answer, answer.size());
    demand(!sent.refused && sent.frames.size() == 1 && sent.frames[0].header.job == from.header.job);
    read_value<std::uint64_t>(sent.frames[0].body);
}

void read_as_worker(frame const& from) {
    switch (from.header.kind) {
    case frame_kind::setup: {
        wire_input in(from.body);
        setup_message const setup = read_setup(in);
        byte_buffer const again = written([&](wire_output& out) { write_setup(out, setup); });
        read_again(again, [&](wire_input& second) {
            setup_message const copy = read_setup(second);
            demand(copy.number == setup.number && copy.memory_limit == setup.memory_limit);
            demand(copy.cpu_limit_seconds == setup.cpu_limit_seconds && copy.initializer == setup.initializer);
        });
        if (!setup.initializer.empty()) {
            wire_input name(setup.initializer);
            read_name(name);
        }
        break;
    }
    case frame_kind::job:
        read_job(from);
        break;
    case frame_kind::hello:
    case frame_kind::ready:
    case frame_kind::start_failed:
    case frame_kind::value:
    case frame_kind::error:
    case frame_kind::overflow:
        break;
    }
}

void read_body(frame const& from) {
    try {
        read_as_pool(from);
        read_as_worker(from);
    } catch (wire_error const&) {         // refused
    } catch (cereal::Exception const&) {  // refused by cereal itself: an index of a variant, say
    }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(std::uint8_t const* data, std::size_t size) {
    if (size == 0) {
        return 0;
    }
    auto const bytes = std::as_bytes(std::span(data + 1, size - 1));
    outcome const whole = decode(bytes, bytes.size() + 1);
    if (!same(whole, decode(bytes, 1U + data[0]))) {
        std::abort();
    }
    for (frame const& each : whole.frames) {
        read_body(each);
    }
    return 0;
}
