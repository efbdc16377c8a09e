# What a process in a container can see of its surroundings, a section for each kind.  Runs in the container, by
# busybox or by Debian's dash, as `sh -c`; $$ is then the container's own process.
section() { echo "@@ $1"; }
# By the shell itself: dash blocks all signals while it starts a program, and `cat` would see that.
section status;     while read -r line; do echo "$line"; done < /proc/$$/status
section limits;     cat /proc/$$/limits
section mountinfo;  cat /proc/$$/mountinfo
section dev;        ls -lRn /dev
section root;       ls -ln /
section env;        env
section id;         id
section namespaces; ls -ln /proc/$$/ns
section open;       ls -ln /proc/$$/fd
section cgroup;     cat /proc/$$/cgroup
section cgroupfs;   ls -ln /sys/fs/cgroup
section maps;       for f in uid_map gid_map setgroups timens_offsets; do echo "$f: $(cat /proc/$$/$f 2>&1)"; done
section process
echo "umask: $(umask)"
echo "cwd: $(pwd) $(readlink /proc/$$/cwd)"
for f in oom_score_adj loginuid personality coredump_filter attr/current comm; do
    echo "$f: $(cat /proc/$$/$f 2>&1)"
done
read -r pid comm state parent group session tty rest < /proc/$$/stat
echo "terminal: $tty $(tty) $(stty size 2>&1)"
echo "priority: $(sed -n 's/^\(policy\|prio\).*: */\1 /p' /proc/$$/sched | tr '\n' ' ')"
echo "exe: $(readlink /proc/$$/exe)"
echo "argument: $(tr '\0' ' ' < /proc/$$/cmdline | head -c 12)"
echo "hostname: $(cat /proc/sys/kernel/hostname)"
section sysctl
for f in kernel/domainname kernel/shmmax kernel/shmall kernel/msgmax kernel/sem fs/mqueue/msg_max \
    net/ipv4/ip_forward net/ipv4/ip_unprivileged_port_start net/ipv4/ping_group_range user/max_user_namespaces; do
    echo "$f: $(cat /proc/sys/$f 2>&1)"
done
section network
for i in /sys/class/net/*; do echo "$(basename $i): $(cat $i/flags $i/mtu | tr '\n' ' ')"; done
section keys;       sed 's/^[0-9a-f]* //' /proc/keys
section tries
try() { echo "$1: $(eval "$2" 2>&1 | head -c 80 | tr '\n' ' ')"; }
try 'read /proc/kcore' 'head -c 4 /proc/kcore | wc -c'
try 'list /proc/acpi' 'ls /proc/acpi'
try 'read /proc/timer_list' 'head -c 4 /proc/timer_list | wc -c'
try 'write a sysctl' 'echo 1 > /proc/sys/vm/drop_caches'
try 'write sysrq' 'echo x > /proc/sysrq-trigger-no'
try 'write to /' 'touch /written && rm /written'
try 'write to /sys' 'mkdir /sys/fs/cgroup/written'
try 'write to /dev' 'touch /dev/written && rm /dev/written'
try 'make a device' 'mknod /dev/shm/device c 1 3 && rm /dev/shm/device'
try 'mount' 'mount -t tmpfs x /tmp && umount /tmp'
try 'use null, zero, random' 'head -c 3 /dev/zero | wc -c; head -c 3 /dev/urandom | wc -c; echo > /dev/null'
try 'open a new pseudo-terminal' '(: <> /dev/ptmx) && echo done'
section end
