// SPDX-License-Identifier: BSL-1.0
#include "files.hpp"

#include <coir/coir.hpp>

#include <algorithm>
#include <cerrno>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>

#include <fcntl.h>
#include <linux/openat2.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

namespace {

constexpr std::size_t k_part = 256 * 1024;

class file {
public:
    explicit file(int fd) noexcept : fd_(fd) {}
    file(file&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
    ~file() {
        if (fd_ >= 0) {
            ::close(fd_);
        }
    }
    int fd() const noexcept { return fd_; }

private:
    int fd_;
};

struct opened {
    file content;
    std::uint64_t size;
};

// The kernel itself refuses every step that leads out of the directory, so there is nothing to check, and nothing that
// could change between a check and the use.
// Throws std::system_error if it is not the path's fault.
opened open_beneath(int directory, std::string const& path) {
    open_how how{};
    how.flags = O_RDONLY | O_CLOEXEC | O_NONBLOCK;  // a FIFO must not hold the thread
    how.resolve = RESOLVE_BENEATH | RESOLVE_NO_MAGICLINKS;
    file found(static_cast<int>(::syscall(SYS_openat2, directory, path.c_str(), &how, sizeof how)));
    if (found.fd() < 0 && (errno == EMFILE || errno == ENFILE || errno == ENOMEM || errno == EIO)) {
        throw std::system_error(errno, std::system_category(), "cannot open a file");
    }
    struct stat about {};
    if (found.fd() < 0 || ::fstat(found.fd(), &about) != 0 || !S_ISREG(about.st_mode)) {
        return {file(-1), 0};
    }
    return {std::move(found), static_cast<std::uint64_t>(about.st_size)};
}

std::string read_part(int fd, std::uint64_t offset, std::size_t size) {
    std::string part(size, '\0');
    ssize_t const count = ::pread(fd, part.data(), size, static_cast<off_t>(offset));
    if (count <= 0) {
        throw std::system_error(count < 0 ? errno : EIO, std::system_category(),
                                "a file became unreadable, or shorter");
    }
    part.resize(static_cast<std::size_t>(count));
    return part;
}

std::string content_type_of(std::string_view path) {
    static constexpr std::pair<std::string_view, char const*> k_types[] = {
        {".html", "text/html; charset=utf-8"},
        {".txt", "text/plain; charset=utf-8"},
        {".css", "text/css"},
        {".js", "text/javascript"},
        {".json", "application/json"},
        {".png", "image/png"},
        {".jpg", "image/jpeg"},
        {".svg", "image/svg+xml"},
    };
    for (auto const& [suffix, type] : k_types) {
        if (path.ends_with(suffix)) {
            return type;
        }
    }
    return "application/octet-stream";
}

}  // namespace

file_directory::file_directory(std::string const& path)
    : fd_(::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC)) {
    if (fd_ < 0) {
        throw std::system_error(errno, std::system_category(), "cannot read the directory " + path);
    }
    if (::faccessat(fd_, ".", R_OK | X_OK, AT_EACCESS) != 0) {
        int const error = errno;
        ::close(fd_);
        throw std::system_error(error, std::system_category(), "cannot read the directory " + path);
    }
}

file_directory::~file_directory() {
    ::close(fd_);
}

void file_directory::send(coir::net::http::request const& asked, coir::net::http::response_writer& answer) const {
    std::string const path = asked.param("path");
    // Disks block, so their part of the work is done on other threads. These may be left behind by a cancellation, so the
    // file is theirs too.
    auto const found =
        std::make_shared<opened const>(coir::to_thread([this, path] { return open_beneath(fd_, path); }));
    if (found->content.fd() < 0) {
        answer.set_status(404).write("Not Found\n");
        return;
    }
    answer.set_content_type(content_type_of(path)).set_content_length(found->size);
    if (asked.method() == "HEAD") {
        return;
    }
    for (std::uint64_t sent = 0; sent < found->size;) {
        auto const size = static_cast<std::size_t>(std::min<std::uint64_t>(k_part, found->size - sent));
        std::string const part =
            coir::to_thread([found, sent, size] { return read_part(found->content.fd(), sent, size); });
        answer.write(part);
        sent += part.size();
    }
}
