// What `ctr run -d` starts in bench backend-burst: a program that is there at once and does nothing.
#include <unistd.h>

int main(void) {
  for (;;) pause();
}
