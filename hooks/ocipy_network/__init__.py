"""The network hook that ships with ocipy: what gives a container a network, and takes it away again.

    settings      ocipy.spec.network        annotations and arguments, as values         pure
    claims        what a container was given                                             pure
    pool          which address, range and name it is given                              pure
    firewall      the rules that follow from all claims                                  pure
    store         where claims lie; the lock
    holders       who holds a claim, and is it alive
    names         is there a device of a name?
    links         devices, addresses and routes: rtnetlink, by pyroute2
    nft           the rules in the kernel: nfnetlink
    flows         what is under way when rules change
    pins          devices of the host that are lent
    files         hosts and resolv.conf
    build         the order of it all

docs/network.md shows what is built, step by step.
"""
