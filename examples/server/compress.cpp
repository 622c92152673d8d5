// SPDX-License-Identifier: BSL-1.0
#include "compress.hpp"

#include <zlib.h>

#include <cstdlib>
#include <stdexcept>

std::string gzip(std::string_view data, int level) {
    if (data.starts_with("crash!")) {
        std::abort();  // as a library does that finds itself in a state that cannot be
    }
    constexpr int k_gzip_header = 16;
    z_stream stream{};
    if (::deflateInit2(&stream, level, Z_DEFLATED, MAX_WBITS + k_gzip_header, 8, Z_DEFAULT_STRATEGY) != Z_OK) {
        throw std::runtime_error("zlib cannot compress with these options");
    }
    std::string packed(::deflateBound(&stream, static_cast<uLong>(data.size())), '\0');
    stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(data.data()));
    stream.avail_in = static_cast<uInt>(data.size());
    stream.next_out = reinterpret_cast<Bytef*>(packed.data());
    stream.avail_out = static_cast<uInt>(packed.size());
    int const status = ::deflate(&stream, Z_FINISH);
    packed.resize(stream.total_out);
    ::deflateEnd(&stream);
    if (status != Z_STREAM_END) {
        throw std::runtime_error("zlib could not compress this");
    }
    return packed;
}
