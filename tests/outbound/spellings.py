"""Ways to write what Keydeck must not talk to, and what it must.

As they stand in a URL's authority, without a port. Each entry is a different text.
"""

_LITERALS = {
    "unspecified": "0.0.0.0 0.1.2.3 0.255.255.255 [::] [0:0:0:0:0:0:0:0]",
    "loopback": """
    127.0.0.1 127.0.0.2 127.1.2.3 127.255.255.254 127.0.0.1. [::1] [0:0:0:0:0:0:0:1]
    [0000:0000:0000:0000:0000:0000:0000:0001] [::0001] [0::1]
    """,
    "private": """
    10.0.0.0 10.0.0.1 10.255.255.255 172.16.0.1 172.31.255.254 192.168.0.1
    192.168.255.255 192.168.1.1.
    """,
    "link-local": "169.254.0.1 169.254.255.254 [fe80::1] [FE80::A9FE:A9FE] [febf:ffff::1]",
    "cgnat": "100.64.0.0 100.64.0.1 100.127.255.255",
    # AWS (and its containers), Tencent, Alibaba, Oracle, Azure, AWS and Google by IPv6.
    "metadata": """
    169.254.169.254 169.254.169.254. 169.254.170.2 169.254.170.23 169.254.169.253
    169.254.0.23 100.100.100.200 192.0.0.192 168.63.129.16 [fd00:ec2::254]
    [fd00:ec2::253] [fd00:ec2::23] [fd20:ce::254]
    """,
    "multicast and broadcast": """
    224.0.0.1 224.0.0.251 232.1.1.1 239.255.255.250 255.255.255.255 [ff02::1] [ff02::fb]
    [ff05::2] [ff0e::1] [ff00::]
    """,
    "benchmark": "198.18.0.1 198.19.255.255 [2001:2::1]",
    "documentation": """
    192.0.2.1 198.51.100.1 203.0.113.255 [2001:db8::1] [2001:db8:ffff::1] [3fff::1]
    [3fff:fff:ffff::1]
    """,
    "reserved": """
    192.0.0.1 192.0.0.8 192.0.0.170 192.0.0.255 192.88.99.1 240.0.0.1 250.1.2.3
    255.255.255.254 [100::1] [4000::1] [5f00::1] [8000::1] [c000::1] [e000::1] [200::1]
    [2001:10::1] [2001:20::1] [2001:1::1]
    """,
    "mapped": """
    [::ffff:127.0.0.1] [::FFFF:7F00:1] [::ffff:7f00:0001] [0:0:0:0:0:ffff:127.0.0.1]
    [::ffff:10.0.0.1] [::ffff:169.254.169.254] [::ffff:a9fe:a9fe] [::ffff:192.168.1.1]
    [::ffff:0.0.0.0] [::ffff:0:127.0.0.1] [::ffff:0:7f00:1]
    """,
    "compatible": "[::127.0.0.1] [::7f00:1] [::10.0.0.1] [::169.254.169.254] [::a9fe:a9fe] [::2]",
    "nat64": """
    [64:ff9b::127.0.0.1] [64:ff9b::7f00:1] [64:ff9b::10.0.0.1] [64:ff9b::a9fe:a9fe]
    [0064:ff9b:0:0:0:0:192.168.1.1] [64:ff9b:1::127.0.0.1] [64:ff9b:1::a9fe:a9fe]
    [64:ff9b:1:ffff:ffff:ffff:ffff:ffff] [64:ff9b:1:7f00:0:100::]
    """,
    "6to4": """
    [2002:7f00:1::] [2002:7f00:1::1] [2002:a00:1::1] [2002:a9fe:a9fe::]
    [2002:c0a8:101::1]
    """,
    "teredo and isatap": """
    [2001::1] [2001:0:7f00:1::] [2001:0:4136:e378:8000:63bf:80ff:fffe]
    [2001:0:a9fe:a9fe::1] [2606:4700::5efe:7f00:1] [2606:4700::5efe:10.0.0.1]
    [2606:4700::200:5efe:169.254.169.254]
    """,
    "unique local": "[fc00::] [fc00::1] [fd00::1] [fd12:3456:789a::1] [FDFF:ffff::1]",
    "site-local": "[fec0::1] [FEC0::a9fe:a9fe] [feff::1]",
    "zone ids": """
    [fe80::1%25eth0] [fe80::1%eth0] [fe80::1%251] [fe80::1%1] [::1%251] [::1%lo]
    [ff02::1%25lo] [fd00:ec2::254%252]
    """,
    "decimal": "2130706433 3232235777 2852039166 167772161 0 4294967295 2130706433. 02130706433",
    "octal": """
    0177.0.0.1 0177.0.0.01 00000177.0.0.1 017700000001 0177.1 0251.0376.0251.0376
    025177524776 012.0.0.1 0300.0250.1.1 127.0.0.01 010.0.0.1
    """,
    "hexadecimal": """
    0x7f.0.0.1 0x7f000001 0X7F000001 0x7F.0x0.0x0.0x1 0x7f.1 0xa9fea9fe
    0xA9.0xFE.0xA9.0xFE 0xa.0.0.1 0xc0a80101 0x00000000000000007f.0.0.1 0x0
    """,
    "short and mixed": """
    127.1 127.0.1 127.65535 10.1 192.168.257 169.254.43518 0x7f.0.1 0177.0x1
    169.0376.0xa9fe 127.1. 127.0.0.1.0 127.0.0.256 09.0.0.1 1.2.3.4.5 foo.127 foo.0x7f
    """,
}
LITERALS = {kind: tuple(texts.split()) for kind, texts in _LITERALS.items()}

# Not ASCII: an HTTP client makes plain letters of these (IDNA) before anybody is asked.
UNICODE = (
    "１２７.０.０.１",
    "127。0。0。1",
    "127．0．0．1",
    "127｡0｡0｡1",
    "①②⑦.⓪.⓪.①",
    "①②⑦。⓪。⓪。①",
    "１６９。２５４。１６９。２５４",
    "①⑥⑨.②⑤④.①⑥⑨.②⑤④",
    "𝟏𝟐𝟕.𝟎.𝟎.𝟏",
    "𝟙𝟚𝟟.𝟘.𝟘.𝟙",
    "¹²⁷.⁰.⁰.¹",
    "₁₂₇.₀.₀.₁",
    "⑩.0.0.1",
    "⑴.1.1.1",
    "０x７f.1",
    "２１３０７０６４３３",
    "ⓛⓞⓒⓐⓛⓗⓞⓢⓣ",
    "ｌｏｃａｌｈｏｓｔ",
    "𝓵𝓸𝓬𝓪𝓵𝓱𝓸𝓼𝓽",
    "locaℓhost",
    "api。localhost",
    "metadata。google。internal",
)

# Private by their very spelling.
_NAMES = """
    localhost LOCALHOST LocalHost. localhost.localdomain localhost6 ip6-localhost
    ip6-loopback broadcasthost api.localhost a.b.localhost. printer.local Printer.LOCAL.
    host.docker.internal gateway.docker.internal kubernetes.docker.internal redis
    postgres metadata instance-data kubernetes kubernetes.default.svc.cluster.local
    metadata.google.internal metadata.google.internal. metadata.goog.internal
    instance-data.ec2.internal db.intranet dc.corp vault.private router.lan nas.home
    fritz.home.arpa hidden.onion %6cocalhost %31%32%37.0.0.1 127.0.0.1%2f.example.com
    127.0.0.1%00.example.com 127.0.0.1,example.com 127.0.0.1&example.com a..localhost
    .localhost
"""
NAMES = tuple(_NAMES.split())

# Whole URLs that one reader takes for the open internet's and another for a private one.
URLS = (
    "https://example.com@127.0.0.1/",
    "https://127.0.0.1@example.com/",
    "https://example.com:443@127.0.0.1/",
    "https://example.com%40127.0.0.1/",
    "https://127.0.0.1%40example.com/",
    "https://example.com\\@127.0.0.1/",
    "https://127.0.0.1\\@example.com/",
    "https://127.0.0.1#@example.com/",
    "https://127.0.0.1?@example.com/",
    "https://example.com#@127.0.0.1/",
    "https://@127.0.0.1/",
    "https://a:b@[::1]/",
    "https://127.0.0.1:443/",
    "https://127.0.0.1:8443/",
    "https://127.0.0.1:/",
    "https://127.0.0.1:0443/",
    "https://localhost:65535/",
    "https://[::1]:6379/",
    "https://[::ffff:127.0.0.1]:5432/",
    "https://127.0.0.1:80:443/",
    "https://127.0.0.1 .example.com/",
    "https://127.0.0.1\t.example.com/",
    "https://127.0.0.1\n.example.com/",
    "https:///127.0.0.1/",
    "https:127.0.0.1/",
    "https:/127.0.0.1/",
    "https:\\\\127.0.0.1/",
    "//127.0.0.1/",
    "HTTPS://127.0.0.1/",
    "http://127.0.0.1/",
    "http://8.8.8.8/",
    "ftp://127.0.0.1/",
    "gopher://127.0.0.1:6379/_INFO",
    "file:///etc/passwd",
    "unix:///var/run/docker.sock",
    "http+unix://%2fvar%2frun%2fdocker.sock/",
    "dict://127.0.0.1:11211/stats",
    "https://[127.0.0.1]/",
    "https://[::1/",
    "https://::1/",
    "https://[::1].example.com/",
)

PUBLIC_ANSWER = "93.184.215.14"
# Names that look like any other, and what a resolver says of them, call by call. The last answer
# is said from then on.
RESOLVING: dict[str, tuple[tuple[str, ...], ...]] = {
    "127.0.0.1.nip.io": (("127.0.0.1",),),
    "localtest.me": (("127.0.0.1",),),
    "localtest6.example.com": (("::1",),),
    "10-0-0-1.sslip.io": (("10.0.0.1",),),
    "metadata.tencentyun.com": (("169.254.0.23",),),
    "metadata.azure.com": (("168.63.129.16",),),
    "oracle.example.com": (("192.0.0.192",),),
    "link-local.example.com": (("fe80::1%2",),),
    "mapped.example.com": (("::ffff:10.0.0.1",),),
    "nat64.example.com": (("64:ff9b::7f00:1",),),
    "6to4.example.com": (("2002:7f00:1::",),),
    "teredo.example.com": (("2001:0:7f00:1::",),),
    "site.example.com": (("fec0::1",),),
    "any.example.com": (("0.0.0.0",),),  # noqa: S104
    "any6.example.com": (("::",),),
    "cgnat.example.com": (("100.64.0.1",),),
    "second.example.com": ((PUBLIC_ANSWER, "127.0.0.1"),),
    "first.example.com": (("127.0.0.1", PUBLIC_ANSWER),),
    "third.example.com": ((PUBLIC_ANSWER, "2606:4700::1111", "fd00::1"),),
    "alias.example.com": (("10.1.2.3",),),  # what stands behind a CNAME is all a resolver tells
    "Alias.Example.com.": (("10.1.2.3",),),
    "xn--80akhbyknj4f.example": (("192.168.0.9",),),
}
REBINDING = "rebind.example.com"  # public when it is asked first, private from then on

_PUBLIC = """
    1.1.1.1 8.8.8.8 9.255.255.255 11.0.0.0 93.184.215.14 100.63.255.255 100.128.0.0
    104.18.0.1 126.255.255.255 128.0.0.1 168.63.129.15 168.63.129.17 169.253.255.255
    169.255.0.0 172.15.255.255 172.32.0.0 191.255.255.255 192.0.1.0 192.0.3.0
    192.167.255.255 192.169.0.0 198.17.255.255 198.20.0.0 203.0.112.255 203.0.114.0
    223.255.255.255 [2001:200::1] [2001:4860:4860::8888] [2001:db7:ffff::1]
    [2001:db9::1] [2003::1] [2606:4700::1111] [2606:4700:0:0:0:0:0:1111] [2620:FE::FE]
    [2a00:1450:4001:81c::200e] [3ffe::1]
"""
PUBLIC = tuple(_PUBLIC.split())
PUBLIC_NAMES = (
    "api.example.com",
    "API.Example.com",
    "modelslab.com",
    "api.openai.com.",
    "1a.2b",
    "1.1.1.1.example.com",
    "xn--bcher-kva.example",
    "my_host.example.com",
    "localhost.example.com",
    "local.example.com",
    "notlocalhost.com",
    "internal.example.com",
    "0x7f.example.com",
    "127-0-0-1.com",
)

# What the operator wrote; the host and port that it lets through; others that it does not.
ALLOWED: tuple[tuple[str, str, tuple[str, ...]], ...] = (
    (
        "10.0.0.5:8443",
        "10.0.0.5:8443",
        (
            "10.0.0.5:443",
            "10.0.0.5:84430",
            "10.0.0.6:8443",
            "10.0.0.50:8443",
            "167772165:8443",
            "10.5:8443",
            "0xa.0.0.5:8443",
            "[::ffff:10.0.0.5]:8443",
        ),
    ),
    (
        "[fd00::5]:8443",
        "[fd00::5]:8443",
        ("[fd00::5]:443", "[fd00::6]:8443", "[fd00::5:8443]:443", "[64:ff9b::fd00:5]:8443"),
    ),
    (
        "redis.corp:8443",
        "redis.corp:8443",
        ("redis.corp:443", "a.redis.corp:8443", "redis.corp.example:8443", "edis.corp:8443"),
    ),
    ("*:8443", "api.example.com:443", ("10.0.0.5:8443", "redis.corp:8443", "[::1]:8443")),
    ("*.corp:8443", "api.example.com:443", ("redis.corp:8443",)),
    ("10.0.0.0/8:8443", "api.example.com:443", ("10.0.0.5:8443",)),
    ("10.0.0.5:*", "api.example.com:443", ("10.0.0.5:8443", "10.0.0.5:443")),
    ("10.0.0.5", "api.example.com:443", ("10.0.0.5:443", "10.0.0.5:80")),
    ("10.0.0.5:08443", "api.example.com:443", ("10.0.0.5:8443",)),
    ("167772165:8443", "api.example.com:443", ("10.0.0.5:8443",)),
    ("", "api.example.com:443", ("10.0.0.5:8443", "localhost:443")),
)
