// SPDX-License-Identifier: BSL-1.0
//
// What a worker process may send to its pool, and a pool to its workers: bytes that are cut anywhere give the same
// frames, and every body is either read or refused by wire_error.
#include "executors/process/exception_impl.hpp"
#include "executors/process/frame_impl.hpp"
#include "executors/process/request_impl.hpp"

#include <coir/executors/process/archive.hpp>

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
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
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

void read_body(frame const& from) {
    wire_input in(from.body);
    try {
        switch (from.header.kind) {
        case frame_kind::value: {
            everything value;
            in(value);
            in.expect_end();
            break;
        }
        case frame_kind::error:
        case frame_kind::start_failed:
            read_exception(in);
            break;
        case frame_kind::hello:
            read_hello(in);
            break;
        case frame_kind::setup:
            read_setup(in);
            break;
        case frame_kind::job: {
            read_segment_place(in);
            read_name(in);
            in.read_span();
            break;
        }
        case frame_kind::ready:
            break;
        }
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
