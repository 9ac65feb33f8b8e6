// The first program of the virtual device: loads the kernel modules that the disk needs, in the order of a list, and
// hands over to the system on that disk. It takes a second where a general initrd takes ten, under emulation.
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/syscall.h>
#include <unistd.h>

static int give_up(const char* what) {
  perror(what);
  sleep(2);  // for the last words to leave the serial line
  return 1;  // and the kernel panics: qemu ends
}

int main(void) {
  mount("dev", "/dev", "devtmpfs", 0, "");
  char line[256];
  FILE* list = fopen("/modules.list", "r");
  while (list && fgets(line, sizeof line, list)) {
    line[strcspn(line, "\n")] = 0;
    int module = open(line, O_RDONLY | O_CLOEXEC);
    if (module < 0 || syscall(SYS_finit_module, module, "", 0)) perror(line);
    close(module);
  }
  int tries = 100;
  while (mount("/dev/vda", "/root", "ext4", 0, "") && --tries) usleep(100000);
  if (!tries) return give_up("init: /dev/vda");
  mount("/dev", "/root/dev", 0, MS_MOVE, 0);
  if (chdir("/root") || mount(".", "/", 0, MS_MOVE, 0) || chroot(".")) return give_up("init: the new root");
  execl("/sbin/init", "/sbin/init", (char*)0);
  return give_up("init: /sbin/init");
}
