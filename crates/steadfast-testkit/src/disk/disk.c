/* A disk that misbehaves: put before the C library with LD_PRELOAD, it sees every call on files below one
 * folder, writes down what would reach the disk, and fails, shortens or ends the process where a rule says so.
 *
 * Settings come from the environment (see disk.rs): the folder, the log, the first rules, what a failed sync does
 * to the page cache. Text written to a file named "disk-control" in the folder replaces the rules.
 *
 * The log is a row of records: struct record, then its payload. One lock orders all calls and records, so the log
 * is in the order in which things happened; a sync is two records, because others may write while it runs.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

enum { NAME = 1, WRITE, LENGTH, SYNC_BEGIN, SYNC_END, UNLINK, RENAME, MKDIR };
/* How a sync ended. */
enum { SYNCED, FAILED, FAILED_BEFORE, DROPPED };
enum { ON_OPEN, ON_READ, ON_WRITE, ON_SYNC, ON_SIZE, ON_UNLINK, ON_ANY };
static const char *const OPERATIONS[] = {"open", "read", "write", "sync", "size", "unlink", "any"};
/* Besides error numbers. */
enum { SHORT = -1, KILL = -2, TEAR = -3 };

struct record {
    uint32_t kind, file;
    uint64_t a, b;
    uint64_t length;
};

/* What was under a write that no sync has confirmed yet. */
struct under {
    off_t at;
    size_t length;
    char *bytes;
};

struct file {
    uint32_t id;
    char *path;
    int named;
    /* Failed syncs so far. Whoever had the file open hears of each once, as Linux has it. */
    unsigned failures;
    struct under *unders;
    size_t unders_count, unders_room;
    struct file *next;
};

struct rule {
    int operation, effect;
    char suffix[64];
    long skip, times;
};

#define FDS 4096
static struct slot {
    struct file *file;
    unsigned heard;
    int append, control;
} slots[FDS];

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct file *files;
static uint32_t files_count;
static struct rule rules[16];
static int rules_count, log_fd = -1, drops;
static uint64_t records;
static const char *folder;
static size_t folder_length;
static long sync_us;

#define REAL(result, name, ...)                                                     \
    static result (*real_##name)(__VA_ARGS__);                                      \
    if (!real_##name) real_##name = (result(*)(__VA_ARGS__))dlsym(RTLD_NEXT, #name)

static ssize_t plain_pwrite(int fd, const void *bytes, size_t length, off_t at) {
    REAL(ssize_t, pwrite64, int, const void *, size_t, off_t);
    return real_pwrite64(fd, bytes, length, at);
}

static ssize_t plain_pread(int fd, void *bytes, size_t length, off_t at) {
    REAL(ssize_t, pread64, int, void *, size_t, off_t);
    return real_pread64(fd, bytes, length, at);
}

static void set_rules(const char *text) {
    rules_count = 0;
    while (*text && rules_count < 16) {
        struct rule *rule = &rules[rules_count];
        char operation[16], effect[16];
        if (sscanf(text, "%15s %63s %15s %ld %ld", operation, rule->suffix, effect, &rule->skip,
                   &rule->times) == 5) {
            rule->operation = ON_ANY;
            for (int at = 0; at < ON_ANY; at++)
                if (!strcmp(operation, OPERATIONS[at])) rule->operation = at;
            rule->effect = !strcmp(effect, "ENOSPC")  ? ENOSPC
                           : !strcmp(effect, "EINTR") ? EINTR
                           : !strcmp(effect, "SHORT") ? SHORT
                           : !strcmp(effect, "KILL")  ? KILL
                           : !strcmp(effect, "TEAR")  ? TEAR
                                                      : EIO;
            rules_count++;
        }
        text += strcspn(text, ";\n");
        text += strspn(text, ";\n");
    }
}

__attribute__((constructor)) static void start(void) {
    const char *name = getenv("STEADFAST_DISK_LOG"), *first = getenv("STEADFAST_DISK_RULES");
    const char *us = getenv("STEADFAST_DISK_SYNC_US");
    folder = getenv("STEADFAST_DISK_FOLDER");
    if (!folder) return;
    folder_length = strlen(folder);
    drops = getenv("STEADFAST_DISK_DROPS") != NULL;
    sync_us = us ? atol(us) : -1;
    if (first) set_rules(first);
    if (name) {
        REAL(int, open64, const char *, int, ...);
        log_fd = real_open64(name, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    }
}

static const char *inside(const char *path) {
    if (!folder || !path || strncmp(path, folder, folder_length)) return NULL;
    if (path[folder_length] == '/') return path + folder_length + 1;
    return path[folder_length] ? NULL : "";
}

static uint64_t note(uint32_t kind, struct file *file, uint64_t a, uint64_t b, const void *bytes, size_t length) {
    REAL(ssize_t, writev, int, const struct iovec *, int);
    struct record record = {kind, file ? file->id : 0, a, b, length};
    struct iovec parts[2] = {{&record, sizeof record}, {(void *)bytes, length}};
    if (log_fd >= 0 && real_writev(log_fd, parts, length ? 2 : 1) < 0) abort();
    return records++;
}

/* What a rule does to this call: 0, an error number, or one of the others. */
static int strike(int operation, const char *path) {
    size_t length = strlen(path);
    if (!strcmp(path, "said")) return 0;
    for (int at = 0; at < rules_count; at++) {
        struct rule *rule = &rules[at];
        size_t suffix = strlen(rule->suffix);
        if (rule->operation != ON_ANY && rule->operation != operation) continue;
        if (strcmp(rule->suffix, "*") &&
            (suffix > length || strcmp(path + length - suffix, rule->suffix)))
            continue;
        if (rule->skip > 0) {
            rule->skip--;
            continue;
        }
        if (!rule->times) continue;
        if (rule->times > 0) rule->times--;
        if (rule->effect == KILL || (rule->effect == TEAR && operation != ON_WRITE)) raise(SIGKILL);
        return rule->effect;
    }
    return 0;
}

static struct slot *slot_of(int fd) {
    return fd >= 0 && fd < FDS && slots[fd].file ? &slots[fd] : NULL;
}

static struct file *file_of(const char *path, int fresh, int is_folder, int fd) {
    struct file *file = files;
    struct stat found;
    while (file && !(file->named && !strcmp(file->path, path))) file = file->next;
    if (file && !fresh) return file;
    if (!file) {
        file = calloc(1, sizeof *file);
        file->id = ++files_count;
        file->path = strdup(path);
        file->named = 1;
        file->next = files;
        files = file;
    }
    memset(&found, 0, sizeof found);
    fstat(fd, &found);
    note(NAME, file, (fresh ? 1 : 0) | (is_folder ? 2 : 0), (uint64_t)found.st_size, path, strlen(path));
    return file;
}

static int opened(const char *path, int flags, mode_t mode) {
    REAL(int, open64, const char *, int, ...);
    const char *name = inside(path);
    if (!name) return real_open64(path, flags, mode);
    pthread_mutex_lock(&lock);
    int control = !strcmp(name, "disk-control");
    int effect = control ? 0 : strike(ON_OPEN, name), fd = -1;
    if (effect > 0) {
        errno = effect;
    } else {
        struct stat found;
        int fresh = stat(path, &found) != 0;
        fd = real_open64(path, flags, mode);
        if (fd >= FDS) abort();
        if (fd >= 0) {
            struct slot *slot = &slots[fd];
            int is_folder = !fresh && S_ISDIR(found.st_mode);
            slot->file = control ? calloc(1, sizeof *slot->file) : file_of(name, fresh, is_folder, fd);
            slot->control = control;
            slot->append = (flags & O_APPEND) != 0;
            slot->heard = slot->file->failures;
            if (flags & O_TRUNC && !control) note(LENGTH, slot->file, 0, 0, NULL, 0);
        }
    }
    int kept = errno;
    pthread_mutex_unlock(&lock);
    errno = kept;
    return fd;
}

#define OPEN(name, first, path)                                     \
    int name first {                                                \
        va_list rest;                                               \
        va_start(rest, flags);                                      \
        mode_t mode = flags & (O_CREAT | O_TMPFILE) ? va_arg(rest, mode_t) : 0; \
        va_end(rest);                                               \
        return opened(path, flags, mode);                           \
    }
OPEN(open, (const char *path, int flags, ...), path)
OPEN(open64, (const char *path, int flags, ...), path)

static int opened_at(int at, const char *path, int flags, mode_t mode) {
    REAL(int, openat64, int, const char *, int, ...);
    if (path[0] == '/') return opened(path, flags, mode);
    return real_openat64(at, path, flags, mode);
}
#undef OPEN
#define OPEN_AT(name)                                               \
    int name(int at, const char *path, int flags, ...) {            \
        va_list rest;                                               \
        va_start(rest, flags);                                      \
        mode_t mode = flags & (O_CREAT | O_TMPFILE) ? va_arg(rest, mode_t) : 0; \
        va_end(rest);                                               \
        return opened_at(at, path, flags, mode);                    \
    }
OPEN_AT(openat)
OPEN_AT(openat64)

int close(int fd) {
    REAL(int, close, int);
    pthread_mutex_lock(&lock);
    if (slot_of(fd)) memset(&slots[fd], 0, sizeof slots[fd]);
    int result = real_close(fd), kept = errno;
    pthread_mutex_unlock(&lock);
    errno = kept;
    return result;
}

/* Keeps what lies under a write, so that a failed sync can bring it back. */
static void keep_under(struct file *file, int fd, off_t at, size_t length) {
    if (!drops) return;
    if (file->unders_count == file->unders_room) {
        file->unders_room = file->unders_room ? 2 * file->unders_room : 64;
        file->unders = realloc(file->unders, file->unders_room * sizeof *file->unders);
    }
    struct under under = {at, length, calloc(1, length + 1)};
    if (plain_pread(fd, under.bytes, length, at) < 0) {
        free(under.bytes);
        return;
    }
    file->unders[file->unders_count++] = under;
}

static void forget_unders(struct file *file, size_t count) {
    for (size_t at = 0; at < count; at++) free(file->unders[at].bytes);
    file->unders_count -= count;
    memmove(file->unders, file->unders + count, file->unders_count * sizeof *file->unders);
}

static void bring_back(struct file *file, int fd) {
    for (size_t at = file->unders_count; at-- > 0;)
        if (plain_pwrite(fd, file->unders[at].bytes, file->unders[at].length, file->unders[at].at) < 0) abort();
    forget_unders(file, file->unders_count);
}

/* A write at a place, or at the file's own if `at` is negative. */
static ssize_t written(int fd, const void *bytes, size_t length, off_t at) {
    REAL(ssize_t, write, int, const void *, size_t);
    pthread_mutex_lock(&lock);
    struct slot *slot = slot_of(fd);
    ssize_t result = -1;
    if (!slot) {
        pthread_mutex_unlock(&lock);
        return at < 0 ? real_write(fd, bytes, length) : plain_pwrite(fd, bytes, length, at);
    }
    int effect = slot->control ? 0 : strike(ON_WRITE, slot->file->path);
    if (slot->control) {
        char text[1024] = {0};
        memcpy(text, bytes, length < sizeof text ? length : sizeof text - 1);
        set_rules(text);
        result = (ssize_t)length;
    } else if (effect > 0) {
        errno = effect;
    } else {
        struct stat found;
        off_t place = at;
        if (at < 0) place = slot->append && !fstat(fd, &found) ? found.st_size : lseek(fd, 0, SEEK_CUR);
        if (effect && length > 1) length = length / 2;
        keep_under(slot->file, fd, place, length);
        result = at < 0 ? real_write(fd, bytes, length) : plain_pwrite(fd, bytes, length, at);
        if (result > 0) note(WRITE, slot->file, (uint64_t)place, 0, bytes, (size_t)result);
        if (effect == TEAR) raise(SIGKILL);
    }
    int kept = errno;
    pthread_mutex_unlock(&lock);
    errno = kept;
    return result;
}

ssize_t write(int fd, const void *bytes, size_t length) { return written(fd, bytes, length, -1); }
ssize_t pwrite(int fd, const void *bytes, size_t length, off_t at) { return written(fd, bytes, length, at); }
ssize_t pwrite64(int fd, const void *bytes, size_t length, off_t at) { return written(fd, bytes, length, at); }

/* Its first part only, which a caller of writev must expect anyway. */
ssize_t writev(int fd, const struct iovec *parts, int count) {
    REAL(ssize_t, writev, int, const struct iovec *, int);
    if (!slot_of(fd)) return real_writev(fd, parts, count);
    int at = 0;
    while (at + 1 < count && !parts[at].iov_len) at++;
    return count ? written(fd, parts[at].iov_base, parts[at].iov_len, -1) : 0;
}

static int struck(int operation, int fd) {
    pthread_mutex_lock(&lock);
    struct slot *slot = slot_of(fd);
    int effect = slot && !slot->control ? strike(operation, slot->file->path) : 0;
    pthread_mutex_unlock(&lock);
    return effect;
}

ssize_t read(int fd, void *bytes, size_t length) {
    REAL(ssize_t, read, int, void *, size_t);
    int effect = slot_of(fd) ? struck(ON_READ, fd) : 0;
    if (effect > 0) return errno = effect, -1;
    return real_read(fd, bytes, effect == SHORT && length > 1 ? length / 2 : length);
}

static ssize_t read_at(int fd, void *bytes, size_t length, off_t at) {
    int effect = slot_of(fd) ? struck(ON_READ, fd) : 0;
    if (effect > 0) return errno = effect, -1;
    return plain_pread(fd, bytes, effect == SHORT && length > 1 ? length / 2 : length, at);
}
ssize_t pread(int fd, void *bytes, size_t length, off_t at) { return read_at(fd, bytes, length, at); }
ssize_t pread64(int fd, void *bytes, size_t length, off_t at) { return read_at(fd, bytes, length, at); }

/* With a lower bound of 0 a sync takes so long and does nothing: what it would confirm is in the log. */
static int synced(int fd) {
    REAL(int, fsync, int);
    pthread_mutex_lock(&lock);
    struct slot *slot = slot_of(fd);
    if (!slot || slot->control) {
        pthread_mutex_unlock(&lock);
        return real_fsync(fd);
    }
    struct file *file = slot->file;
    int effect = strike(ON_SYNC, file->path);
    if (effect > 0) {
        slot->heard = ++file->failures;
        if (drops) bring_back(file, fd);
        note(SYNC_END, file, records, drops ? DROPPED : FAILED, NULL, 0);
    } else if (slot->heard != file->failures) {
        slot->heard = file->failures;
        note(SYNC_END, file, records, FAILED_BEFORE, NULL, 0);
        effect = EIO;
    }
    if (effect > 0) {
        pthread_mutex_unlock(&lock);
        return errno = effect, -1;
    }
    uint64_t begun = note(SYNC_BEGIN, file, 0, 0, NULL, 0);
    size_t confirmed = file->unders_count;
    unsigned failures = file->failures;
    pthread_mutex_unlock(&lock);
    int result = sync_us < 0 ? real_fsync(fd) : usleep((useconds_t)sync_us);
    pthread_mutex_lock(&lock);
    /* Another's sync failed meanwhile: what was on its way went with it. */
    if (failures != file->failures) {
        if (slot_of(fd)) slots[fd].heard = file->failures;
        note(SYNC_END, file, begun, FAILED_BEFORE, NULL, 0);
        pthread_mutex_unlock(&lock);
        return errno = EIO, -1;
    }
    if (confirmed <= file->unders_count) forget_unders(file, confirmed);
    note(SYNC_END, file, begun, result ? FAILED : SYNCED, NULL, 0);
    pthread_mutex_unlock(&lock);
    return result;
}
int fsync(int fd) { return synced(fd); }
int fdatasync(int fd) { return synced(fd); }

static int sized(int fd, off_t length, int grows_only) {
    REAL(int, ftruncate64, int, off_t);
    pthread_mutex_lock(&lock);
    struct slot *slot = slot_of(fd);
    struct stat found;
    int effect = slot && !slot->control ? strike(ON_SIZE, slot->file->path) : 0, result = -1;
    if (effect > 0) {
        errno = effect;
    } else if (grows_only && !fstat(fd, &found) && found.st_size >= length) {
        result = 0;
    } else {
        result = real_ftruncate64(fd, length);
        if (!result && slot && !slot->control) note(LENGTH, slot->file, (uint64_t)length, 0, NULL, 0);
    }
    int kept = errno;
    pthread_mutex_unlock(&lock);
    errno = kept;
    return result;
}
int ftruncate(int fd, off_t length) { return sized(fd, length, 0); }
int ftruncate64(int fd, off_t length) { return sized(fd, length, 0); }
int posix_fallocate(int fd, off_t at, off_t length) { return sized(fd, at + length, 1) ? errno : 0; }
int posix_fallocate64(int fd, off_t at, off_t length) { return sized(fd, at + length, 1) ? errno : 0; }
int fallocate(int fd, int mode, off_t at, off_t length) {
    if (mode && slot_of(fd)) return errno = EOPNOTSUPP, -1;
    return sized(fd, at + length, 1);
}
int fallocate64(int fd, int mode, off_t at, off_t length) { return fallocate(fd, mode, at, length); }

static void unname(const char *name) {
    for (struct file *file = files; file; file = file->next)
        if (file->named && !strcmp(file->path, name)) file->named = 0;
}

int unlink(const char *path) {
    REAL(int, unlink, const char *);
    const char *name = inside(path);
    if (!name) return real_unlink(path);
    pthread_mutex_lock(&lock);
    int effect = strike(ON_UNLINK, name), result = -1;
    if (effect > 0) errno = effect;
    else if (!(result = real_unlink(path))) {
        unname(name);
        note(UNLINK, NULL, 0, 0, name, strlen(name));
    }
    int kept = errno;
    pthread_mutex_unlock(&lock);
    errno = kept;
    return result;
}

int rename(const char *from, const char *to) {
    REAL(int, rename, const char *, const char *);
    const char *old = inside(from), *new = inside(to);
    pthread_mutex_lock(&lock);
    int result = real_rename(from, to), kept = errno;
    if (!result && old && new) {
        char both[8192];
        int length = snprintf(both, sizeof both, "%s%c%s", old, 0, new);
        unname(new);
        for (struct file *file = files; file; file = file->next)
            if (file->named && !strcmp(file->path, old)) file->path = strdup(new);
        note(RENAME, NULL, 0, 0, both, (size_t)length);
    }
    pthread_mutex_unlock(&lock);
    errno = kept;
    return result;
}

int mkdir(const char *path, mode_t mode) {
    REAL(int, mkdir, const char *, mode_t);
    const char *name = inside(path);
    pthread_mutex_lock(&lock);
    int result = real_mkdir(path, mode), kept = errno;
    if (!result && name) note(MKDIR, NULL, 0, 0, name, strlen(name));
    pthread_mutex_unlock(&lock);
    errno = kept;
    return result;
}
