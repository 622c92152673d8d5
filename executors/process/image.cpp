// SPDX-License-Identifier: BSL-1.0
#include "executors/process/image_impl.hpp"

#include <cstring>
#include <fstream>
#include <mutex>
#include <optional>
#include <span>
#include <sstream>
#include <stdexcept>
#include <string_view>
#include <utility>
#include <vector>

#include <dlfcn.h>
#include <elf.h>
#include <link.h>

namespace coir::detail {
namespace {

constexpr std::size_t k_longest_name = 4096;

struct segment_range {
    std::uintptr_t begin;
    std::uintptr_t end;
    bool executable;
};

struct image {
    std::uintptr_t base = 0;
    std::string path;
    std::string identity;
    std::vector<segment_range> segments;

    bool has(std::uintptr_t address, bool code_only) const noexcept {
        for (segment_range const& s : segments) {
            if (address >= s.begin && address < s.end && (s.executable || !code_only)) {
                return true;
            }
        }
        return false;
    }
};

std::string build_id_in(std::span<char const> notes) {
    while (notes.size() >= sizeof(ElfW(Nhdr))) {
        ElfW(Nhdr) header;
        std::memcpy(&header, notes.data(), sizeof header);
        auto const padded = [](std::size_t size) { return (size + 3) / 4 * 4; };
        std::size_t const name_at = sizeof header;
        std::size_t const text_at = name_at + padded(header.n_namesz);
        std::size_t const end = text_at + padded(header.n_descsz);
        if (end > notes.size()) {
            break;
        }
        if (header.n_type == NT_GNU_BUILD_ID && header.n_namesz == 4 &&
            std::memcmp(notes.data() + name_at, "GNU", 4) == 0) {
            return "b" + std::string(notes.data() + text_at, header.n_descsz);
        }
        notes = notes.subspan(end);
    }
    return {};
}

// FNV-1a over words. The code of an image is the same in every process that has it loaded.
std::string hash_of_code(std::vector<segment_range> const& segments) {
    std::uint64_t hash = 0xcbf2'9ce4'8422'2325;
    for (segment_range const& s : segments) {
        if (!s.executable) {
            continue;
        }
        for (std::uintptr_t at = s.begin; at + sizeof(std::uint64_t) <= s.end; at += sizeof(std::uint64_t)) {
            std::uint64_t word = 0;
            std::memcpy(&word, reinterpret_cast<void const*>(at), sizeof word);
            hash = (hash ^ word) * 0x0000'0100'0000'01b3;
        }
    }
    return "h" + std::string(reinterpret_cast<char const*>(&hash), sizeof hash);
}

image describe(dl_phdr_info const& info) {
    image described;
    described.base = info.dlpi_addr;
    described.path = info.dlpi_name != nullptr ? info.dlpi_name : "";
    for (std::size_t i = 0; i < info.dlpi_phnum; ++i) {
        ElfW(Phdr) const& header = info.dlpi_phdr[i];
        std::uintptr_t const begin = described.base + header.p_vaddr;
        if (header.p_type == PT_LOAD) {
            // A segment that is writable as well may differ between processes: not part of a hash.
            bool const code = (header.p_flags & PF_X) != 0 && (header.p_flags & PF_W) == 0;
            described.segments.push_back({begin, begin + header.p_memsz, code});
        } else if (header.p_type == PT_NOTE && described.identity.empty()) {
            described.identity = build_id_in({reinterpret_cast<char const*>(begin), header.p_memsz});
        }
    }
    if (described.identity.empty()) {
        described.identity = hash_of_code(described.segments);
    }
    return described;
}

// The first image for which `wanted` holds. The loader's lock is held meanwhile: no image goes away.
template <class Wanted>
std::optional<image> find_image(Wanted wanted) {
    struct search {
        Wanted& wanted;
        std::optional<image> found;
        std::exception_ptr failed;
    } state{wanted, {}, nullptr};
    ::dl_iterate_phdr(
        [](dl_phdr_info* info, std::size_t, void* context) -> int {
            auto& s = *static_cast<search*>(context);
            try {
                image described = describe(*info);
                if (s.wanted(std::as_const(described))) {
                    s.found = std::move(described);
                    return 1;
                }
            } catch (...) {  // no exception may cross the loader's C frames: it goes on below
                s.failed = std::current_exception();
                return 1;
            }
            return 0;
        },
        &state);
    if (state.failed) {
        std::rethrow_exception(state.failed);
    }
    return std::move(state.found);
}

std::optional<image> loaded_image(std::string_view identity) {
    return find_image([identity](image const& each) { return each.identity == identity; });
}

// The loader knows a library by the path that was asked for, which may be relative to a directory that is the current one no
// longer. The kernel knows where it is. Empty if the kernel does not say.
std::string path_of_mapping(std::uintptr_t address) {
    std::ifstream maps("/proc/self/maps");
    for (std::string line; std::getline(maps, line);) {
        // begin-end permissions offset device inode path
        std::istringstream fields(line);
        std::uintptr_t begin = 0;
        std::uintptr_t end = 0;
        char dash = 0;
        fields >> std::hex >> begin >> dash >> end;
        if (address >= begin && address < end) {
            std::size_t const path = line.find('/');
            return path == std::string::npos ? std::string() : line.substr(path);
        }
    }
    return {};
}

}  // namespace

std::string const& program_image() {
    // The loader lists the program first. Never destroyed: a pool with static storage duration may end after everything else.
    static std::string const& identity =
        *new std::string(find_image([](image const&) { return true; }).value().identity);
    return identity;
}

function_name name_of_function(void const* address) {
    auto const wanted = reinterpret_cast<std::uintptr_t>(address);
    auto home = find_image([wanted](image const& each) { return each.has(wanted, false); });
    if (!home) {
        throw std::logic_error("coir::process_pool_executor: the function stands in no loaded program or library");
    }
    if (home->identity == program_image()) {
        return {home->identity, wanted - home->base, {}};
    }
    if (!home->path.starts_with('/')) {
        if (std::string absolute = path_of_mapping(wanted); !absolute.empty()) {
            home->path = std::move(absolute);
        }
    }
    return {home->identity, wanted - home->base, home->path};
}

void* address_of_function(function_name const& name) {
    // Images that stay: a job's function is looked up once for each message. Never destroyed, as above.
    static std::mutex& lock = *new std::mutex;
    static std::vector<image>& known = *new std::vector<image>;
    std::lock_guard const guard(lock);
    image const* home = nullptr;
    for (image const& each : known) {
        home = each.identity == name.image ? &each : home;
    }
    if (home == nullptr) {
        auto found = loaded_image(name.image);
        if (!found && !name.path.empty() && ::dlopen(name.path.c_str(), RTLD_NOW | RTLD_LOCAL) != nullptr) {
            found = loaded_image(name.image);
        }
        if (!found) {
            throw std::runtime_error("the worker has another build of " +
                                     (name.path.empty() ? std::string("the program") : name.path) +
                                     ", or cannot load it");
        }
        known.push_back(std::move(*found));
        home = &known.back();
    }
    std::uintptr_t const address = home->base + name.offset;
    if (!home->has(address, true)) {
        throw std::runtime_error("there is no code where the pool says that the function is");
    }
    return reinterpret_cast<void*>(address);
}

void write_name(wire_output& out, function_name const& name) {
    for (std::string const* const part : {&name.image, &name.path}) {
        out.write_span(std::as_bytes(std::span(part->data(), part->size())));
    }
    out.write(&name.offset, sizeof name.offset);
}

function_name read_name(wire_input& in) {
    function_name name;
    for (std::string* const part : {&name.image, &name.path}) {
        auto const bytes = in.read_span();
        if (bytes.size() > k_longest_name) {
            throw wire_error("a function's name is too long");
        }
        part->assign(reinterpret_cast<char const*>(bytes.data()), bytes.size());
    }
    in.read(&name.offset, sizeof name.offset);
    return name;
}

}  // namespace coir::detail
