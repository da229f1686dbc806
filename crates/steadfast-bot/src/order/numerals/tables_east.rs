//! Number words of Indonesian, Vietnamese, Swahili and Arabic.

use super::{EMPTY, Rules, Table};

/// The tables of this file.
pub(super) const ALL: &[Table] = &[INDONESIAN, VIETNAMESE, VIETNAMESE_BARE, SWAHILI, ARABIC];

const NONE: Rules = EMPTY.rules;

const INDONESIAN: Table = Table {
    zero: "nol kosong",
    numbers: &[
        (1, "satu"),
        (2, "dua"),
        (3, "tiga"),
        (4, "empat"),
        (5, "lima"),
        (6, "enam"),
        (7, "tujuh"),
        (8, "delapan lapan"),
        (9, "sembilan"),
        (10, "sepuluh"),
        (11, "sebelas"),
        (100, "seratus"),
        (1_000, "seribu"),
    ],
    hundred: "ratus",
    scales: &[(1_000, "ribu"), (1_000_000, "juta")],
    ten_times: "puluh",
    plus_ten: "belas",
    ..EMPTY
};

/// With accents, which Vietnamese needs to tell `sáu` from `sau`.
const VIETNAMESE: Table = Table {
    rules: Rules { accents: true, ..NONE },
    zero: "không",
    numbers: &[
        (1, "một mốt"),
        (2, "hai"),
        (3, "ba"),
        (4, "bốn tư"),
        (5, "năm lăm nhăm"),
        (6, "sáu"),
        (7, "bảy bẩy"),
        (8, "tám"),
        (9, "chín"),
    ],
    hundred: "trăm",
    scales: &[(1_000, "nghìn ngàn"), (1_000_000, "triệu")],
    ten_times: "mười mươi chục",
    and: "linh lẻ",
    ..EMPTY
};

/// As typed without accents, as far as no other language is hurt.
const VIETNAMESE_BARE: Table = Table {
    rules: Rules { accents: true, ..NONE },
    numbers: &[(1, "mot"), (4, "bon"), (7, "bay"), (8, "tam"), (2, "hai"), (3, "ba")],
    hundred: "tram",
    scales: &[(1_000, "nghin ngan")],
    ten_times: "muoi chuc",
    ..EMPTY
};

const SWAHILI: Table = Table {
    rules: Rules { tens_joined: true, ten_unit: true, scale_first: true, ..NONE },
    zero: "sifuri",
    numbers: &[
        (1, "moja"),
        (2, "mbili wawili"),
        (3, "tatu watatu"),
        (4, "nne wanne"),
        (5, "tano watano"),
        (6, "sita"),
        (7, "saba"),
        (8, "nane"),
        (9, "tisa"),
        (10, "kumi"),
        (20, "ishirini"),
        (30, "thelathini"),
        (40, "arobaini arubaini"),
        (50, "hamsini"),
        (60, "sitini"),
        (70, "sabini"),
        (80, "themanini"),
        (90, "tisini"),
    ],
    hundred: "mia",
    scales: &[(1_000, "elfu")],
    and: "na",
    ..EMPTY
};

const ARABIC: Table = Table {
    rules: Rules { units_first: true, and_prefix: true, ..NONE },
    zero: "صفر",
    numbers: &[
        (1, "واحد واحدة احد إحدى احدى"),
        (2, "اثنان اثنين اثنا اثني اثنتان اثنتين اثنتا اتنين إثنان"),
        (3, "ثلاثة ثلاث تلاتة"),
        (4, "أربعة أربع"),
        (5, "خمسة خمس"),
        (6, "ستة ست"),
        (7, "سبعة سبع"),
        (8, "ثمانية ثمان ثماني تمانية"),
        (9, "تسعة تسع"),
        (20, "عشرون عشرين"),
        (30, "ثلاثون ثلاثين"),
        (40, "أربعون أربعين"),
        (50, "خمسون خمسين"),
        (60, "ستون ستين"),
        (70, "سبعون سبعين"),
        (80, "ثمانون ثمانين"),
        (90, "تسعون تسعين"),
        (200, "مئتان مئتين مائتان مائتين ميتين"),
        (300, "ثلاثمائة ثلاثمئة"),
        (400, "أربعمائة أربعمئة"),
        (500, "خمسمائة خمسمئة"),
        (600, "ستمائة ستمئة"),
        (700, "سبعمائة سبعمئة"),
        (800, "ثمانمائة ثمانمئة"),
        (900, "تسعمائة تسعمئة"),
        (2_000, "ألفان ألفين"),
    ],
    hundred: "مائة مئة ميه",
    scales: &[(1_000, "ألف آلاف"), (1_000_000, "مليون ملايين")],
    plus_ten: "عشر عشرة",
    and: "و",
    ..EMPTY
};
