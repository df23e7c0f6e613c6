/* A program that misbehaves in the way its first argument names. Every one of them stops by
   itself, so that a sandbox that fails does not take the machine with it. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <netinet/in.h>
#include <arpa/inet.h>
#include <time.h>
#include <unistd.h>

#define MIB (1 << 20)

static double now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec + t.tv_nsec * 1e-9;
}

/* Waits, but not for ever. */
static void linger(double seconds) {
    double end = now() + seconds;
    while (now() < end) usleep(10000);
}

static char *touch(size_t bytes) {
    char *p = mmap(0, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (p == MAP_FAILED) return 0;
    for (size_t i = 0; i < bytes; i += 4096) p[i] = 1;
    return p;
}

static void *allocate(void *arg) {
    (void)arg;
    for (int i = 0; i < 2048; i++) if (!touch(MIB)) break;
    linger(5);
    return 0;
}

static void *spin(void *arg) {
    (void)arg;
    double end = now() + 30;
    while (now() < end) for (volatile int i = 0; i < 1000000; i++);
    return 0;
}

static void tried(const char *what, long result) {
    printf("%s: %s\n", what, result < 0 ? "refused" : "DONE");
}

static void fork_bomb(void) {
    int children = 0;
    for (int i = 0; i < 4000; i++) {
        pid_t pid = fork();
        if (pid == 0) { linger(20); _exit(0); }
        if (pid < 0) break;
        children++;
    }
    printf("%d\n", children);
}

static void fork_tree(void) {
    /* Doubles at every step, twelve times. */
    for (int i = 0; i < 12; i++) fork();
    linger(20);
}

/* Memory that no process has in its own account. */
static void shared_memory(void) {
    tried("memfd_create", syscall(SYS_memfd_create, "x", 0));
    tried("shmget", syscall(SYS_shmget, 0, MIB, 01600));
    tried("shared memory", mmap(0, MIB, 3, MAP_SHARED | MAP_ANONYMOUS, -1, 0) == MAP_FAILED ? -1 : 0);
}

/* Ways to make the kernel hold memory, or open files, that show in no process. */
static void kernel_memory(void) {
    int pair[2], ends[2];
    if (socketpair(AF_UNIX, SOCK_STREAM, 0, pair) || pipe(ends)) exit(1);
    tried("socket", socket(AF_UNIX, SOCK_STREAM, 0));
    tried("internet", socket(AF_INET, SOCK_STREAM, 0));
    tried("internet 6", socket(AF_INET6, SOCK_DGRAM, 0));
    tried("internet pair", socketpair(AF_INET, SOCK_STREAM, 0, pair));
    tried("listen", listen(pair[0], 4096));
    int size = 1 << 22;
    tried("larger", setsockopt(pair[0], SOL_SOCKET, SO_SNDBUF, &size, sizeof size));
    tried("receive more", setsockopt(pair[1], SOL_SOCKET, SO_RCVBUF, &size, sizeof size));
    /* An open file on its way is in no process. */
    char control[CMSG_SPACE(sizeof(int))] = {0}, byte = 'x';
    struct iovec data = {&byte, 1};
    struct msghdr message = {.msg_iov = &data, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof control};
    struct cmsghdr *header = CMSG_FIRSTHDR(&message);
    header->cmsg_level = SOL_SOCKET;
    header->cmsg_type = SCM_RIGHTS;
    header->cmsg_len = CMSG_LEN(sizeof(int));
    memcpy(CMSG_DATA(header), &ends[0], sizeof(int));
    tried("pass a file", sendmsg(pair[0], &message, 0));
    struct mmsghdr many = {.msg_hdr = message};
    tried("pass files", sendmmsg(pair[0], &many, 1, 0));
    tried("larger pipe", fcntl(ends[1], 1031, 1 << 20));
    tried("vmsplice", syscall(SYS_vmsplice, ends[1], &data, 1, 0));
    struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET, .l_len = 1};
    int fd = open("locked", O_CREAT | O_RDWR, 0600);
    tried("lock", fcntl(fd, F_SETLK, &lock));
    tried("lock of a file", fcntl(fd, 37, &lock));
    tried("inotify", syscall(SYS_inotify_init1, 0));
    unsigned long ring = 0;
    tried("io_setup", syscall(SYS_io_setup, 128, &ring));
    tried("landlock", syscall(444, 0, 0, 1));
    tried("filter", prctl(22, 2, 0, 0, 0));
    tried("files of a thread", syscall(SYS_clone, 0x100 | 0x800 | 0x10000, 0, 0, 0, 0));
    tried("unshare files", syscall(SYS_close_range, 900, 999, 2));
}

static const int QUEUED = 96 * MIB;

/* Six processes that fill sockets or pipes, each up to a bound of its own, and say how full. */
static void hoard(int is_sockets) {
    static char block[4096];
    for (int child = 0; child < 6; child++) {
        if (fork()) continue;
        long queued = 0;
        int pair[2];
        while (queued < QUEUED) {
            if (is_sockets ? socketpair(AF_UNIX, SOCK_STREAM, 0, pair) : pipe(pair)) break;
            for (int end = 0; end < 2; end++) {
                ssize_t n;
                fcntl(pair[end], F_SETFL, O_NONBLOCK);
                while ((n = write(pair[end], block, sizeof block)) > 0) queued += n;
            }
            printf("%d %ld\n", child, queued);
        }
        linger(5);
        _exit(0);
    }
    linger(6);
}

/* Forty processes with mappings that have no pages, a quarter of a kilobyte each. */
static void mappings(void) {
    for (int i = 0; i < 60000; i++)
        if (mmap(0, 4096, i % 2 ? PROT_READ : PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) == MAP_FAILED) break;
    for (int child = 0; child < 40; child++) if (fork() == 0) { linger(5); _exit(0); }
    linger(6);
}

static void calls(void) {
    shared_memory();
    char *none = 0;
    tried("unshare", unshare(CLONE_NEWUSER));
    tried("unshare mounts", unshare(CLONE_NEWNS));
    tried("clone", syscall(SYS_clone, CLONE_NEWUSER | SIGCHLD, 0, 0, 0, 0));
    tried("mount", syscall(SYS_mount, "x", "/tmp", "tmpfs", 0, 0));
    tried("umount", syscall(SYS_umount2, "/usr", 2));
    tried("remount", syscall(SYS_mount, "x", "/usr", none, 0x20 | 0x1000, 0));
    tried("pivot_root", syscall(SYS_pivot_root, "/tmp", "/tmp"));
    tried("chroot", chroot("/tmp"));
    tried("ptrace", ptrace(PTRACE_ATTACH, 1, 0, 0));
    tried("ptrace me", ptrace(PTRACE_TRACEME, 0, 0, 0));
    tried("bpf", syscall(SYS_bpf, 0, 0, 0));
    tried("keyctl", syscall(SYS_keyctl, 0, -3, 1));
    tried("perf_event_open", syscall(SYS_perf_event_open, 0, 0, -1, -1, 0));
    tried("io_uring_setup", syscall(SYS_io_uring_setup, 1, 0));
    tried("userfaultfd", syscall(SYS_userfaultfd, 1));
    tried("kexec_load", syscall(SYS_kexec_load, 0, 0, 0, 0));
    tried("init_module", syscall(SYS_init_module, 0, 0, ""));
    tried("reboot", syscall(SYS_reboot, 0, 0, 0, 0));
    tried("sethostname", sethostname("x", 1));
    tried("setuid", setuid(0));
    tried("setgid", setgid(0));
    tried("mknod", mknod("/tmp/w/disk", S_IFBLK | 0600, 0x801));
    tried("mlock", mlock(&none, 1));
    tried("netlink", socket(16, SOCK_RAW, 0));
    tried("packet", socket(17, SOCK_RAW, 0));
    tried("raw", socket(AF_INET, SOCK_RAW, 1));
    tried("vsock", socket(40, SOCK_STREAM, 0));
    tried("clock_settime", clock_settime(CLOCK_REALTIME, &(struct timespec){0, 0}));
    tried("x32", syscall(0x40000000 | SYS_unshare, CLONE_NEWUSER));
}

static void connects(const char *port, const char *name, const char *path) {
    struct sockaddr_in in = {.sin_family = AF_INET, .sin_port = htons(atoi(port))};
    inet_pton(AF_INET, "127.0.0.1", &in.sin_addr);
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    tried("tcp", connect(fd, (void *)&in, sizeof in));
    inet_pton(AF_INET, "192.0.2.1", &in.sin_addr);
    tried("tcp outside", connect(fd, (void *)&in, sizeof in));
    fd = socket(AF_INET, SOCK_DGRAM, 0);
    tried("udp outside", sendto(fd, "x", 1, 0, (void *)&in, sizeof in));
    struct sockaddr_un un = {.sun_family = AF_UNIX};
    strncpy(un.sun_path + 1, name, sizeof un.sun_path - 2);
    fd = socket(AF_UNIX, SOCK_STREAM, 0);
    tried("abstract", connect(fd, (void *)&un, offsetof(struct sockaddr_un, sun_path) + 1 + strlen(name)));
    struct sockaddr_un named = {.sun_family = AF_UNIX};
    strncpy(named.sun_path, path, sizeof named.sun_path - 1);
    fd = socket(AF_UNIX, SOCK_STREAM, 0);
    tried("path", connect(fd, (void *)&named, sizeof named));
}

static void fill(int files, size_t bytes) {
    static char block[MIB];
    memset(block, 1, sizeof block);
    for (int i = 0; i < files; i++) {
        char name[32];
        sprintf(name, "file-%d", i);
        int fd = open(name, O_CREAT | O_WRONLY, 0600);
        if (fd < 0 || write(fd, block, bytes) < (ssize_t)bytes) exit(1);
        close(fd);
    }
}

static void deep(int levels) {
    for (int i = 0; i < levels; i++) if (mkdir("d", 0700) || chdir("d")) break;
    if (mkdir("\xff\xfe\n name", 0) || symlink("/etc", "link")) exit(1);
}

int main(int argc, char **argv) {
    if (argc < 2) return 2;
    const char *what = argv[1];
    const char *a = argc > 2 ? argv[2] : "0", *b = argc > 3 ? argv[3] : "0";
    setvbuf(stdout, 0, _IOLBF, 0);
#define IS(name) (!strcmp(what, name))
    if (IS("exit")) return atoi(a);
    if (IS("signal")) { raise(atoi(a)); return 0; }
    if (IS("fork-bomb")) fork_bomb();
    if (IS("fork-tree")) fork_tree();
    if (IS("calls")) calls();
    if (IS("shared-memory")) shared_memory();
    if (IS("kernel-memory")) kernel_memory();
    if (IS("sockets")) hoard(1);
    if (IS("pipes")) hoard(0);
    if (IS("mappings")) mappings();
    if (IS("connect")) connects(a, b, argc > 4 ? argv[4] : "");
    if (IS("allocate")) allocate(0);
    if (IS("allocate-many")) {
        for (int i = 0; i < 64; i++) if (fork() == 0) { touch(16 * MIB); linger(10); _exit(0); }
        linger(10);
    }
    if (IS("allocate-headless")) {
        /* The first thread ends; what it leaves behind shows in no file of its own. */
        pthread_t t;
        pthread_create(&t, 0, allocate, 0);
        pthread_exit(0);
    }
    if (IS("share")) {
        /* Forty processes, one memory: 64 MiB and not 2.5 GiB. */
        touch(64 * MIB);
        for (int i = 0; i < 40; i++) if (fork() == 0) { linger(1); _exit(0); }
        while (wait(0) > 0);
    }
    if (IS("reserve")) {
        /* As a JVM does. */
        if (mmap(0, 64L << 30, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0) == MAP_FAILED) return 1;
    }
    if (IS("threads-spin")) {
        pthread_t t;
        for (int i = 0; i < 8; i++) pthread_create(&t, 0, spin, 0);
        spin(0);
    }
    if (IS("children-spin")) {
        for (int i = 0; i < 200; i++) {
            if (fork() == 0) { double end = now() + 0.2; while (now() < end); _exit(0); }
            wait(0);
        }
    }
    if (IS("ignore")) {
        for (int i = 1; i < 65; i++) signal(i, SIG_IGN);
        puts("ignoring");
        linger(30);
    }
    if (IS("daemon")) {
        if (fork()) { linger(0.2); return 0; }
        setsid();
        signal(SIGHUP, SIG_IGN);
        if (fork()) _exit(0);
        puts("daemon");
        linger(30);
    }
    if (IS("zombies")) {
        for (int i = 0; i < 50; i++) if (fork() == 0) _exit(0);
        linger(0.2);
    }
    if (IS("kill")) {
        tried("host", kill(atoi(a), SIGKILL));
        /* May be allowed, and must not do anything. */
        kill(1, SIGKILL);
        kill(1, SIGTERM);
        kill(getppid(), SIGKILL);
        linger(0.1);
        puts("alive");
        fflush(stdout);
        kill(-1, SIGKILL);
        puts("still alive");
    }
    if (IS("fill")) fill(1024, MIB);
    if (IS("fill-shm")) { if (chdir("/dev/shm")) return 1; fill(1024, MIB); }
    if (IS("inodes")) fill(400000, 0);
    if (IS("sparse")) {
        int fd = open("sparse", O_CREAT | O_WRONLY, 0600);
        return ftruncate(fd, 1L << 40) ? 1 : 0;
    }
    if (IS("large")) {
        static char block[MIB];
        int fd = open("large", O_CREAT | O_WRONLY, 0600);
        for (int i = 0; i < 1024; i++) if (write(fd, block, MIB) != MIB) return 1;
    }
    if (IS("print")) {
        int fd = atoi(a);
        for (int i = 0; i < 1000000; i++) dprintf(fd, "%0100d\n", i);
    }
    if (IS("closed")) { close(0); close(1); close(2); linger(0.1); }
    if (IS("deep")) deep(atoi(a));
    if (IS("write")) {
        /* Every way to change a file that is only shown. */
        char other[4096];
        snprintf(other, sizeof other, "%s.new", a);
        tried("open", open(a, O_WRONLY));
        tried("truncate", truncate(a, 0));
        tried("create", open(other, O_CREAT | O_WRONLY, 0600));
        tried("rename", rename(a, other));
        tried("link", link(a, other));
        tried("unlink", unlink(a));
        tried("chmod", chmod(a, 0777));
        tried("chown", chown(a, 1000, 1000));
        tried("mkdir", mkdir(other, 0700));
        tried("utime", utimensat(AT_FDCWD, a, 0, 0));
    }
    if (IS("read")) {
        for (int i = 2; i < argc; i++) {
            int fd = open(argv[i], O_RDONLY);
            char text[4096];
            ssize_t n = fd < 0 ? -1 : read(fd, text, sizeof text);
            if (n > 0) fwrite(text, 1, n, stdout);
        }
    }
    return 0;
}
