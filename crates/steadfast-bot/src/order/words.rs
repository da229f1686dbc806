//! The small words around an order: verbs, courtesies, joiners, negations, and what announces an address.
//! Data only.

use super::parse::lex::Token;
use super::text::fold;
use std::collections::{HashMap, HashSet};
use std::sync::LazyLock;

/// What a phrase does in an order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Role {
    /// Says nothing about the order.
    Filler,
    /// Says that what follows is an order.
    Order,
    /// Joins two lines.
    And,
    /// Takes back or makes uncertain what it stands beside.
    Negation,
    /// A wish that no field of an order holds: shown back, not dropped.
    Note,
    /// An address follows, whatever it looks like.
    AddressStrong,
    /// An address follows if an item stands before or it looks like one.
    AddressTo,
    /// An address follows if it looks like one.
    AddressIn,
    /// An address stands before.
    AddressBehind,
}

/// Phrases of one or more words, each with what it means.
#[derive(Debug)]
pub(crate) struct Phrases<R> {
    by_first_word: HashMap<String, Vec<(Vec<String>, R)>>,
}

impl<R: Copy> Phrases<R> {
    /// Reads lists of phrases, separated by `;` or line ends.
    pub(crate) fn new(lists: &[(R, &str)]) -> Self {
        let mut by_first_word: HashMap<String, Vec<(Vec<String>, R)>> = HashMap::new();
        for &(meaning, list) in lists {
            for phrase in list.split([';', '\n']) {
                let words: Vec<String> = phrase.split_whitespace().map(fold).collect();
                let Some(first) = words.first().cloned() else { continue };
                by_first_word.entry(first).or_default().push((words, meaning));
            }
        }
        Self { by_first_word }
    }

    /// Every meaning of the longest phrase that begins at token `at`, in the order of the lists, and its
    /// length in tokens.
    pub(crate) fn longest_at(&self, tokens: &[Token], at: usize) -> Option<(Vec<R>, usize)> {
        let first = tokens.get(at).filter(|token| token.is_word())?;
        let candidates = self.by_first_word.get(&first.key)?;
        let fits = |words: &[String]| {
            words.iter().enumerate().all(|(ahead, word)| {
                tokens.get(at + ahead).is_some_and(|token| token.is_word() && token.key == *word)
            })
        };
        let fitting: Vec<&(Vec<String>, R)> = candidates.iter().filter(|(words, _)| fits(words)).collect();
        let len = fitting.iter().map(|(words, _)| words.len()).max()?;
        let meanings =
            fitting.iter().filter(|(words, _)| words.len() == len).map(|&&(_, meaning)| meaning).collect();
        Some((meanings, len))
    }
}

static PHRASES: LazyLock<Phrases<Role>> = LazyLock::new(|| Phrases::new(ALL));

/// Every role of the longest phrase that begins at token `at`, in order of precedence, and its length.
pub(crate) fn longest_at(tokens: &[Token], at: usize) -> Option<(Vec<Role>, usize)> {
    PHRASES.longest_at(tokens, at)
}

static PLACE_WORDS: LazyLock<HashSet<String>> =
    LazyLock::new(|| PLACES.split_whitespace().map(fold).collect());
static TIME_WORDS: LazyLock<HashSet<String>> = LazyLock::new(|| TIMES.split_whitespace().map(fold).collect());

/// Whether `key` names a kind of place: a street, a house, a quarter.
pub(crate) fn names_place(key: &str) -> bool {
    PLACE_WORDS.contains(key) || (key.len() > 6 && PLACE_ENDINGS.iter().any(|ending| key.ends_with(ending)))
}

/// Whether `key` is a kind of place that stands before its name: "rue", "calle".
pub(crate) fn leads_place(key: &str) -> bool {
    const LEADING: [&str; 19] = [
        "rue",
        "calle",
        "avenida",
        "av",
        "rua",
        "via",
        "viale",
        "jalan",
        "jl",
        "duong",
        "avenue",
        "boulevard",
        "place",
        "chemin",
        "allee",
        "piazza",
        "plaza",
        "praca",
        "travessa",
    ];
    LEADING.contains(&key)
}

/// Whether `key` tells a time rather than a place.
pub(crate) fn tells_time(key: &str) -> bool {
    TIME_WORDS.contains(key)
}

const PLACE_ENDINGS: [&str; 9] =
    ["strasse", "straat", "platz", "gasse", "laan", "plein", "gracht", "allee", "weg"];

const TIMES: &str = "am pm oclock noon midnight morning afternoon evening night today tomorrow tonight now asap hours hour \
    hrs uhr heures heure horas hora ore hoy manana tarde noche hoje amanha aujourdhui demain heute morgen oggi domani \
    vandaag besok nanti bhare aaja bholi आज भोलि कल";

const PLACES: &str = "st street rd road ave av avenue blvd boulevard lane ln drive way square sq court ct apt apartment \
    flat floor house home building bldg block tower suite ward chowk chok marg tole tol nagar colony sector hotel office \
    school shop near opposite behind gate village city town calle avenida plaza casa piso barrio carrera paseo rua \
    travessa praca bairro apto bloco rue place chemin allee immeuble maison strasse str platz weg gasse haus via viale \
    piazza corso vicolo palazzo straat laan plein jalan jl gang rt rw kampung duong pho quan phuong ngo mtaa barabara \
    nyumba मार्ग टोल चोक वडा गली नगर सड़क घर मोहल्ला রোড রাস্তা বাড়ি سارع شارع حي بناية منزل بيت";

const ALL: &[(Role, &str)] = &[
    (Role::Order, ORDER),
    (Role::Filler, FILLERS),
    (
        Role::And,
        "and;n;y;e;et;und;ed;en;ra;aur;dan;na;plus;va;र;और;तथा;अनि;এবং;ও;আর;و;with;then;con;com;avec;mit;met;dengan",
    ),
    (Role::Negation, NEGATIONS),
    (Role::Note, NOTES),
    (Role::AddressStrong, ADDRESS_STRONG),
    (Role::AddressTo, "to;at;para;vers;nach;naar;chez;presso;đến;tới;को;إلى"),
    (
        Role::AddressIn,
        "a;in;en;em;na;no;au;aux;@;al;alla;zu;zum;zur;an;op;aan;on;di;ke;kwa;ở;في;على;for;by;before;until;till;मा;में",
    ),
    (Role::AddressBehind, "को;मा;में"),
];

const ORDER: &str = "i want;i want to order;i want to buy;i would like;i would like to order;i would like to buy;id like
    id like to order;id like to buy;i will have;ill have;ill take;i will take;i need;i need to order;can i have;can i get
    can i order;could i have;could i get;could i order;may i have;could i please have;can i please have;could i please get;can i please get;may i please have;can we have
    can we get;could we have;could we get;we will have;well have;we will take;i will get;ill get;ill order;i will order;im ordering;i am ordering
    i wanna order;i wanna;can you please send;could you please send;can u send;can you send;can you send me;could you send me;give me
    give us;get me;get us;send me;send us;bring me;bring us;send;bring;deliver;order;order for;buy;purchase;want;need;add
    place an order for;my order is;my order;we want;we need;we would like;wed like;let me have;let me get;let us have;gimme
    get;take;another;one more;also
    quiero;quiero pedir;quiero comprar;quisiera;quisiera pedir;me gustaria;me gustaria pedir;necesito;dame;deme;denos
    me das;me da;me pone;ponme;pongame;mandame;enviame;traeme;pedir;pido;comprar;queremos;necesitamos
    quero;quero pedir;queria;eu quero;gostaria de;gostaria de pedir;gostaria;me ve;preciso;preciso de;manda;me manda;vou querer
    je veux;je veux commander;je voudrais;je voudrais commander;j aimerais;jaimerais;donnez moi;donne moi;il me faut;je prends
    je prendrai;je vais prendre;nous voudrions;commander;envoyez moi;apportez moi;jai besoin de
    ich möchte;ich möchte gern;ich möchte gerne;ich möchte bestellen;ich moechte;ich will;ich hätte gern;ich hätte gerne
    ich haette gern;ich nehme;ich brauche;wir möchten;wir nehmen;wir brauchen;geben sie mir;gib mir;bestellen;ich bestelle
    vorrei;vorrei ordinare;voglio;vorremmo;mi dia;dammi;prendo;prendiamo;ho bisogno di;ordinare;ordino;mandami;mi serve;mi servono
    ik wil;ik wil graag;ik wil bestellen;ik wil graag bestellen;ik zou graag;graag;doe mij;geef mij;mag ik;ik neem;wij willen
    saya mau;saya mau pesan;saya ingin;saya ingin pesan;aku mau;mau pesan;mau;pesan;saya pesan;minta;beli;tolong kirim
    tôi muốn;tôi muốn mua;tôi muốn đặt;cho tôi;cho mình;mình muốn;tôi cần;đặt;mua
    nataka;ninataka;naomba;nipe;tunataka;nahitaji;nitumie;niletee;agiza
    मुझे;मुझको;हमें;चाहिए;चाहिये;मलाई;हामीलाई;चाहियो;चाहिन्छ;दिनुस्;दिनुहोस्;पठाउनुस्;पठाउनुहोस्;पठाइदिनुस्;दीजिए;दीजिये;दे दो;दे दीजिए;भेजो
    भेज दो;भेजिए;मंगाना है;लेना है;malai;chahiyo;chaiyo;chahinchha;dinus;dinuhos;mujhe;chahiye;de do;dedo;bhejo;bhej do
    pathaunus;pathaidinus
    আমি চাই;আমার লাগবে;লাগবে;চাই;দিন;দাও;আমাকে;পাঠান
    أريد;بدي;عايز;ابغى;ابي;اعطني;نريد;هات;ارسل لي;اطلب";

const FILLERS: &str = "please;pls;plz;kindly;thanks;thank you;thanks a lot;thank you very much;thx;ty;hi;hello;hey;hi there
    good morning;good afternoon;good evening;dear;sir;madam;maam;bro;bhai;dai;didi;ji;hajur;namaste;namaskar;of;the;some
    for me;for us;order is;item;items;item no;item number;product no;product number;sku no;sku;number;product;qty;quantity;about;around;approx;approximately;just;more;too;as well;ok;okay;yes
    to my order;to the order;to order;to cart;to my cart;to the cart;to it;to that;in my cart;in the cart;from my order
    from the order;from cart;from my cart;from the cart;each of
    por favor;porfa;porfavor;gracias;hola;buenos dias;buenas tardes;buenas noches;de;del;la;el;los;las;lo;al pedido;a mi pedido
    al carrito;a la orden;del pedido;de mi pedido;para mi;tambien;mas
    obrigado;obrigada;ola;oi;bom dia;boa tarde;boa noite;do;da;os;as;ao pedido;ao carrinho;do pedido;mais
    sil vous plait;sil te plait;svp;stp;bonjour;bonsoir;merci;d;du;des;le;les;l;au panier;à ma commande;à la commande
    de la commande;du panier;aussi;encore
    bitte;danke;hallo;guten tag;guten morgen;guten abend;gern;gerne;von;vom;der;die;das;den;zum warenkorb;zur bestellung;noch;auch;mehr
    per favore;perfavore;grazie;ciao;buongiorno;buonasera;di;della;dei;delle;il;i;gli;al carrello;anche;ancora;piu
    alstublieft;alsjeblieft;aub;dank je;bedankt;hoi;goedendag;van;het;aan mijn bestelling;ook;meer
    tolong;terima kasih;makasih;halo;ya;dong;yang;ke keranjang;ke pesanan;juga;lagi
    xin;làm ơn;vui lòng;cảm ơn;chào;nhé
    tafadhali;asante;habari;za;pia
    कृपया;धन्यवाद;नमस्ते;नमस्कार;जी;का;की;के;भाई;पनि;भी;थप;मेरे लिए;dhanyabad;kripaya
    দয়া করে;ধন্যবাদ;এর;আরও
    من فضلك;لو سمحت;شكرا;مرحبا;السلام عليكم;من;كمان;ايضا";

const NEGATIONS: &str = "not;dont;do not;no;without;except;never;cant;cannot;wont;nothing;none;nor;neither;or;instead;cancel
    remove;delete;how much;how many;price;cost;do you have;is there
    sin;ni;o;ou;oder;oppure;sem;não;sans;pas;ohne;kein;keine;keinen;nicht;senza;non;zonder;niet;tidak;jangan;bukan;tanpa;atau
    hapana;bila;नहीं;मत;होइन;छैन;बिना;या;वा;না;লা;لا;ليس;بدون;أو;❌;🚫;⛔";

const NOTES: &str = "to go;take away;takeaway;to take away;for here;para llevar;a emporter;zum mitnehmen;da asporto
    today;tomorrow;tonight;now;asap;urgent;urgently;quickly;fast;by tomorrow;for tomorrow;for today;right now;as soon as possible
    hoy;mañana;para mañana;para hoy;hoje;amanhã;para amanhã;aujourdhui;demain;pour demain;heute;morgen;für morgen;oggi;domani
    per domani;besok;आज;भोलि;कल";

const ADDRESS_STRONG: &str = "deliver to;delivered to;delivery to;deliver at;deliver it to;deliver them to;deliver this to
    delivery address;delivery address is;my address is;address is;address;my address;the address is;send to;send it to
    send them to;send this to;ship to;bring to;bring it to;drop at;drop it at;location is;my location is;📍
    entregar en;entregar a;entrega en;enviar a;envialo a;envia a;mandar a;dirección;mi dirección es;mi dirección
    la dirección es;a domicilio en
    entregar em;entregar na;entregar no;entrega em;entregue em;enviar para;endereço;meu endereço é;meu endereço
    livrer à;livrez à;livraison à;livrer au;livrez au;livrer chez;adresse;mon adresse est;mon adresse;l adresse est
    liefern an;liefern nach;liefern in;lieferung an;liefern sie an;meine adresse ist;meine adresse;lieferadresse
    consegna a;consegnare a;consegna in;consegnare in;spedire a;indirizzo;il mio indirizzo è;indirizzo di consegna
    bezorgen op;bezorgen aan;leveren aan;leveren op;adres;mijn adres is;mijn adres;bezorgadres
    kirim ke;antar ke;alamat;alamat saya;dikirim ke;giao đến;giao tới;giao về;địa chỉ;địa chỉ là
    anwani;tuma kwa;peleka kwa;पता;मेरा पता;ठेगाना;मेरो ठेगाना;thegana;pata;ঠিকানা;আমার ঠিকানা;العنوان;عنواني;عنوان;توصيل الى
    التوصيل الى";
