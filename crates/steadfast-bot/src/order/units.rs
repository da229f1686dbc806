//! Units people count in, and the sizes products are packed in.

use super::amount::Amount;
use super::text::fold;
use std::collections::HashMap;
use std::sync::LazyLock;

/// A unit that a quantity was given in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
#[expect(missing_docs, reason = "each name says what it is")]
pub enum Unit {
    Milligram,
    Gram,
    Kilogram,
    Ounce,
    Pound,
    Millilitre,
    Litre,
    Piece,
    Pair,
    Dozen,
    Packet,
    Box,
    Carton,
    Bottle,
    Bag,
    Can,
    Jar,
    Cup,
    Glass,
    Plate,
    Slice,
    Portion,
    Sack,
    Crate,
    Tray,
    Bunch,
    Roll,
}

/// What a unit measures.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Dimension {
    /// Milligrams.
    Mass,
    /// Millilitres.
    Volume,
    /// Pieces: a fixed number of them.
    Pieces,
    /// A container or portion: one is one of whatever the shop sells.
    Container,
}

/// The size one unit of a product is sold in, in the base unit of its dimension.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Pack {
    pub(crate) dimension: Dimension,
    pub(crate) size: Amount,
}

impl Unit {
    /// The short word for it: `kg`, `packet`.
    pub const fn code(self) -> &'static str {
        match self {
            Self::Milligram => "mg",
            Self::Gram => "g",
            Self::Kilogram => "kg",
            Self::Ounce => "oz",
            Self::Pound => "lb",
            Self::Millilitre => "ml",
            Self::Litre => "l",
            Self::Piece => "piece",
            Self::Pair => "pair",
            Self::Dozen => "dozen",
            Self::Packet => "packet",
            Self::Box => "box",
            Self::Carton => "carton",
            Self::Bottle => "bottle",
            Self::Bag => "bag",
            Self::Can => "can",
            Self::Jar => "jar",
            Self::Cup => "cup",
            Self::Glass => "glass",
            Self::Plate => "plate",
            Self::Slice => "slice",
            Self::Portion => "portion",
            Self::Sack => "sack",
            Self::Crate => "crate",
            Self::Tray => "tray",
            Self::Bunch => "bunch",
            Self::Roll => "roll",
        }
    }

    pub(crate) const fn dimension(self) -> Dimension {
        match self {
            Self::Milligram | Self::Gram | Self::Kilogram | Self::Ounce | Self::Pound => Dimension::Mass,
            Self::Millilitre | Self::Litre => Dimension::Volume,
            Self::Piece | Self::Pair | Self::Dozen => Dimension::Pieces,
            _ => Dimension::Container,
        }
    }

    /// One of it in the base unit of its dimension.
    pub(crate) fn size(self) -> Amount {
        match self {
            Self::Gram | Self::Litre => Amount::whole(1_000),
            Self::Kilogram => Amount::whole(1_000_000),
            // The international pound, exactly 453.59237 g, and a sixteenth of it.
            Self::Pound => Amount::decimal("453592", "37"),
            Self::Ounce => Amount::decimal("28349", "523125"),
            Self::Pair => Amount::whole(2),
            Self::Dozen => Amount::whole(12),
            _ => Amount::ONE,
        }
    }

    /// Whether people say it of loose goods as the shop's own unit: "2 kg tomatoes" is two of what is
    /// priced, "500 g tomatoes" is not five hundred of it.
    pub(crate) const fn is_coarse(self) -> bool {
        matches!(self, Self::Kilogram | Self::Pound | Self::Litre)
    }

    /// The unit that `key`, a folded word, names.
    pub(crate) fn parse(key: &str) -> Option<Self> {
        BY_WORD.get(key).copied()
    }
}

static BY_WORD: LazyLock<HashMap<String, Unit>> = LazyLock::new(|| {
    let words =
        WORDS.iter().flat_map(|(unit, words)| words.split_whitespace().map(|word| (fold(word), *unit)));
    words.collect()
});

/// The words of each unit in the languages whose numbers are read.
const WORDS: &[(Unit, &str)] = &[
    (Unit::Milligram, "mg mgs milligram milligrams milligramme milligrammes miligramo miligramos"),
    (
        Unit::Gram,
        "g gs gm gms gr grs gram grams gramme grammes gramm gramo gramos grama gramas grammo grammi grammen गराम ग्राम গ্রাম \
         غرام جرام غم",
    ),
    (
        Unit::Kilogram,
        "kg kgs kilo kilos kilogram kilograms kilogramme kilogrammes kilogramm kilogramo kilogramos quilo quilos \
         quilograma quilogramas chilo chili chilogrammo chilogrammi kilogrammen किलो केजि किग्रा किलोग्राम কেজি কিলো كيلو كغ كجم \
         كيلوغرام كيلوجرام ky",
    ),
    (Unit::Ounce, "oz ounce ounces onza onzas"),
    (Unit::Pound, "lb lbs pound pounds libra libras livre livres pfund libbra libbre pond"),
    (
        Unit::Millilitre,
        "ml mls mililitro mililitros millilitre millilitres milliliter milliliters millilitri mililiter मिलि এমএল",
    ),
    (
        Unit::Litre,
        "l lt ltr ltrs lit litre litres liter liters litro litros litri lita लिटर लीटर লিটার لتر ليتر lits",
    ),
    (
        Unit::Piece,
        "pc pcs piece pieces pice unit units unidad unidades unidade pieza piezas peca pecas stuck stk pezzo pezzi stuks \
         buah biji butir cai kipande vipande थान वटा गोटा पिस पीस टुकड़ा পিস টি টা قطعة حبة nos",
    ),
    (Unit::Pair, "pair pairs par pares paire paires paar paio paia pasang jozi doi जोड़ी जोडी জোড়া زوج"),
    (
        Unit::Dozen,
        "dozen dozens doz dzn dz docena docenas duzia duzias douzaine douzaines dutzend dozzina dozzine dozijn dozijnen \
         lusin दर्जन ডজন دزينة darjan dazeni",
    ),
    (
        Unit::Packet,
        "packet packets pkt pkts pack packs pk pacote pacotes paquete paquetes paquet paquets packung packungen pacco \
         pacchi pacchetto pacchetti pak pakje pakjes pakken bungkus bks goi pakiti प्याकेट पैकेट प्याक পেকেট প্যাকেট باكيت",
    ),
    (
        Unit::Box,
        "box boxes bx caja cajas caixa caixas boite boites schachtel schachteln scatola scatole doos kotak hop \
         sanduku बाकस डिब्बा बट्टा বাক্স صندوق",
    ),
    (
        Unit::Carton,
        "carton cartons ctn ctns karton kartons kartonnen cartone cartoni cartones कार्टुन कार्टन কার্টন كرتون كرتونة",
    ),
    (
        Unit::Bottle,
        "bottle bottles btl btls botella botellas garrafa garrafas bouteille bouteilles flasche flaschen bottiglia \
         bottiglie fles flessen botol chupa बोतल বোতল زجاجة قنينة",
    ),
    (
        Unit::Bag,
        "bag bags bolsa bolsas saco sacos sac sacs tute tuten beutel sacchetto sacchetti busta buste zak zakken tui mfuko \
         mifuko थैला झोला ব্যাগ كيس",
    ),
    (
        Unit::Can,
        "can cans tin tins lata latas canette canettes dose dosen lattina lattine blik blikjes blikje kaleng lon قوطي",
    ),
    (Unit::Jar, "jar jars frasco frascos pot pots vasetto vasetti potje potjes toples"),
    (
        Unit::Cup,
        "cup cups taza tazas xicara xicaras tasse tasses tassen tazza tazze kopje kopjes kop cangkir कप কাপ كوب فنجان",
    ),
    (
        Unit::Glass,
        "glass glasses vaso vasos copo copos verre verres glas glaser bicchiere bicchieri glazen gelas ly गिलास গ্লাস",
    ),
    (
        Unit::Plate,
        "plate plates plato platos prato pratos assiette assiettes teller piatto piatti bord borden piring dia sahani प्लेट প্লেট طبق",
    ),
    (
        Unit::Slice,
        "slice slices rebanada rebanadas fatia fatias tranche tranches scheibe scheiben fetta fette plak plakjes",
    ),
    (
        Unit::Portion,
        "portion portions porcion porciones porcao porcoes portionen porzione porzioni portie porties porsi serving servings",
    ),
    (Unit::Sack, "sack sacks sak bora बोरा বস্তা karung"),
    (Unit::Crate, "crate crates kiste kisten krat kratten cassa casse peti"),
    (Unit::Tray, "tray trays bandeja bandejas tablett क्रेट ट्रे"),
    (Unit::Bunch, "bunch bunches manojo manojos bund mazzo mazzi bos ikat মুঠা मुठा"),
    (Unit::Roll, "roll rolls rollo rollos rolle rollen rotolo rotoli rol"),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_word_names_two_units() {
        for (unit, words) in WORDS {
            for word in words.split_whitespace() {
                assert_eq!(Unit::parse(&fold(word)), Some(*unit), "{word}");
            }
        }
    }

    #[test]
    fn sixteen_ounces_are_a_pound() {
        assert!(Unit::Ounce.size().times(Amount::whole(16)).same_as(Unit::Pound.size()));
    }
}
