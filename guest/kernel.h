/*
 * What init needs of the kernel's interface and musl's headers lack. It is spelt out here rather than taken from the
 * kernel's headers, so that the bytes of init depend on the compiler and the C library only.
 */
#ifndef SHALE_KERNEL_H
#define SHALE_KERNEL_H

#include <stdint.h>

/* System calls whose numbers are the same on all machines that init is built for. */
#ifndef SYS_pidfd_open
#define SYS_pidfd_open 434
#endif
#ifndef SYS_clone3
#define SYS_clone3 435
#endif
#ifndef SYS_close_range
#define SYS_close_range 436
#endif
#ifndef SYS_openat2
#define SYS_openat2 437
#endif

/* openat2(2) */
struct open_how {
	uint64_t flags;
	uint64_t mode;
	uint64_t resolve;
};
#define RESOLVE_IN_ROOT 0x10

/* clone3(2) */
struct clone_arguments {
	uint64_t flags;
	uint64_t pidfd;
	uint64_t child_tid;
	uint64_t parent_tid;
	uint64_t exit_signal;
	uint64_t stack;
	uint64_t stack_size;
	uint64_t tls;
	uint64_t set_tid;
	uint64_t set_tid_size;
	uint64_t cgroup;
};
#ifndef CLONE_PIDFD
#define CLONE_PIDFD 0x1000
#endif
#define CLONE_INTO_CGROUP 0x200000000
#ifndef CLONE_NEWCGROUP
#define CLONE_NEWCGROUP 0x02000000
#endif

/* random(4) */
#define RNDADDENTROPY 0x40085203
#define RNDRESEEDCRNG 0x5207

/* Block devices. */
#ifndef BLKFLSBUF
#define BLKFLSBUF 0x1261
#endif
#ifndef BLKGETSIZE64
#define BLKGETSIZE64 0x80081272
#endif

/* The device mapper: <linux/dm-ioctl.h> */
struct dm_request {
	uint32_t version[3];
	uint32_t data_size;
	uint32_t data_start;
	uint32_t target_count;
	int32_t open_count;
	uint32_t flags;
	uint32_t event_number;
	uint32_t padding;
	uint64_t device;
	char name[128];
	char uuid[129];
	char data[7];
};
struct dm_target {
	uint64_t sector_start;
	uint64_t length;
	int32_t status;
	uint32_t next;
	char type[16];
};
#define DM_READONLY 1
#define DM_DEV_CREATE 0xc138fd03
#define DM_DEV_SUSPEND 0xc138fd06
#define DM_TABLE_LOAD 0xc138fd09

/* vsock(7) */
#ifndef AF_VSOCK
#define AF_VSOCK 40
#endif
struct vsock_address {
	uint16_t family;
	uint16_t zero;
	uint32_t port;
	uint32_t cid;
	uint8_t padding[4];
};
#define VSOCK_ANY_CID 0xffffffff
#define VSOCK_HOST_CID 2

/* Events of the kernel's devices. */
#define NETLINK_KOBJECT_UEVENT 15

#endif
