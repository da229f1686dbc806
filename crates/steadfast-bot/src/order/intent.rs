//! What a whole message commands, if it commands anything. Words are compared as wholes: "hi" greets,
//! "Hiring" does not.

use super::text::plain_words;
use std::collections::HashMap;
use std::sync::LazyLock;

/// The most characters a command has.
const COMMAND_CHARS_MAX: usize = 80;
/// The letters and digits of an order number.
const NUMBER_CHARS: usize = 8;

/// A command that is a whole message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Command {
    /// "Yes": place what was shown.
    Confirm,
    /// "No": not this.
    Decline,
    /// Call off the draft, or an order.
    Cancel {
        /// The order's number, without its dash, if one was named.
        order: Option<String>,
    },
    /// What became of my order?
    Status {
        /// The order's number, without its dash, if one was named.
        order: Option<String>,
    },
    /// My latest orders.
    Recent,
    /// What is there, and what does it cost?
    Catalogue,
    /// How much may I owe?
    Credit,
    /// Show my order for confirmation.
    Checkout,
    /// The last order once more.
    Reorder,
    /// Empty the draft.
    Clear,
    /// "Hi", "help", "menu".
    Greeting,
    /// The button below a summary: place that version of that draft.
    ConfirmDraft {
        /// Which draft.
        draft: String,
        /// As shown in which version.
        version: u32,
    },
    /// The button below a summary: drop that draft.
    CancelDraft {
        /// Which draft.
        draft: String,
        /// As shown in which version.
        version: u32,
    },
}

/// The command that the whole of `text` is.
pub fn command(text: &str) -> Option<Command> {
    if text.trim().chars().nth(COMMAND_CHARS_MAX).is_some() {
        return None;
    }
    let words = plain_words(text);
    if words.is_empty() {
        return None;
    }
    // The numbers of the menu count only as whole messages.
    let by_number = match words.as_str() {
        "1" => Some(Command::Catalogue),
        "2" => Some(Command::Credit),
        "3" => Some(Command::Recent),
        _ => None,
    };
    by_number.or_else(|| phrase(&words)).or_else(|| phrase(&squeezed(&words))).or_else(|| with_number(&words))
}

/// A phrase as it stands, without courtesies, or made of several that mean the same ("yes, ok").
fn phrase(words: &str) -> Option<Command> {
    if let Some(command) = COMMANDS.get(words) {
        return Some(command.clone());
    }
    let kept: Vec<&str> = words.split(' ').filter(|word| !COURTESIES.contains(word)).collect();
    if let Some(command) = COMMANDS.get(&kept.join(" ")) {
        return Some(command.clone());
    }
    let mut rest = kept.as_slice();
    let mut same: Option<&Command> = None;
    while !rest.is_empty() {
        let (command, taken) = (1..=rest.len().min(4))
            .rev()
            .find_map(|len| Some((COMMANDS.get(&rest[..len].join(" "))?, len)))?;
        let repeatable = matches!(command, Command::Confirm | Command::Decline | Command::Cancel { .. });
        match same {
            Some(first) if first == command => {}
            // "No, cancel" cancels.
            Some(Command::Decline) if matches!(command, Command::Cancel { .. }) => same = Some(command),
            None if repeatable => same = Some(command),
            _ => return None,
        }
        rest = &rest[taken..];
    }
    same.cloned()
}

/// "Yesss" and "okkk": three or more of a letter are one.
fn squeezed(words: &str) -> String {
    let letters: Vec<char> = words.chars().collect();
    let mut squeezed = String::with_capacity(words.len());
    let mut at = 0;
    while let Some(&c) = letters.get(at) {
        let run = letters[at..].iter().take_while(|&&next| next == c).count();
        let kept = if run > 2 { 1 } else { run };
        squeezed.extend(std::iter::repeat_n(c, kept));
        at += run;
    }
    squeezed
}

/// "Cancel order 7K3M-Q9XA", "status 7k3mq9xa".
fn with_number(words: &str) -> Option<Command> {
    let list: Vec<&str> = words.split(' ').filter(|word| !COURTESIES.contains(word)).collect();
    let (head, number) = match list.as_slice() {
        [head @ .., left, right] if left.len() == 4 && right.len() == 4 => (head, format!("{left}{right}")),
        [head @ .., only] if only.len() == NUMBER_CHARS => (head, (*only).to_owned()),
        _ => return None,
    };
    let number = number.to_ascii_uppercase();
    if !number.chars().all(|c| c.is_ascii_alphanumeric() && !matches!(c, 'I' | 'L' | 'O' | 'U')) {
        return None;
    }
    let head: Vec<&str> = head.iter().copied().filter(|word| *word != "number").collect();
    match COMMANDS.get(&head.join(" ")) {
        Some(Command::Cancel { .. }) => Some(Command::Cancel { order: Some(number) }),
        Some(Command::Status { .. } | Command::Recent) => Some(Command::Status { order: Some(number) }),
        Some(Command::Checkout) if head == ["order"] => Some(Command::Status { order: Some(number) }),
        None if head.is_empty() && number.chars().any(|c| c.is_ascii_digit()) => {
            Some(Command::Status { order: Some(number) })
        }
        _ => None,
    }
}

/// The command in a button's payload: `order:confirm:<draft>:<version>` or `order:cancel:…`.
pub fn button(payload: &str) -> Option<Command> {
    let mut parts = payload.trim().split(':');
    let (Some("order"), Some(verb), Some(draft), Some(version), None) =
        (parts.next(), parts.next(), parts.next(), parts.next(), parts.next())
    else {
        return None;
    };
    let version = version.parse().ok()?;
    let draft = draft.to_owned();
    match verb {
        "confirm" => Some(Command::ConfirmDraft { draft, version }),
        "cancel" => Some(Command::CancelDraft { draft, version }),
        _ => None,
    }
}

static COMMANDS: LazyLock<HashMap<String, Command>> = LazyLock::new(|| {
    let lists: [(&str, Command); 11] = [
        (CONFIRM, Command::Confirm),
        (DECLINE, Command::Decline),
        (CANCEL, Command::Cancel { order: None }),
        (STATUS, Command::Status { order: None }),
        (RECENT, Command::Recent),
        (CATALOGUE, Command::Catalogue),
        (CREDIT, Command::Credit),
        (CHECKOUT, Command::Checkout),
        (REORDER, Command::Reorder),
        (CLEAR, Command::Clear),
        (GREETING, Command::Greeting),
    ];
    let mut commands = HashMap::new();
    for (list, command) in lists {
        for phrase in list.split([';', '\n']) {
            let key = plain_words(phrase);
            if !key.is_empty() {
                commands.entry(key).or_insert_with(|| command.clone());
            }
        }
    }
    commands
});

const COURTESIES: [&str; 26] = [
    "please", "pls", "plz", "thanks", "thank", "you", "thx", "sir", "madam", "bhai", "dai", "didi", "ji",
    "the", "my", "por", "favor", "gracias", "merci", "bitte", "danke", "grazie", "obrigado", "🙏", "😊",
    "🙂",
];

const CONFIRM: &str = "yes;yep;yeah;yup;yes please;yea;y;sure;ok;okay;oki;k;confirm;confirmed;i confirm;confirm order
    confirm my order;confirm it;correct;agreed;go ahead;do it;place it;yes place it;yes place order;yes confirm;looks good;perfect
    sí;si claro;claro;confirmo;confirmar;vale;de acuerdo;correcto;dale;listo;sim;isso;certo;tudo certo;pode confirmar
    oui;d'accord;je confirme;confirmer;c'est bon;ouais;ja;jawohl;bestätigen;ich bestätige;einverstanden;passt;ja bitte;ja gerne
    confermo;conferma;va bene;akkoord;bevestig;bevestigen;klopt;ja graag;ya;iya;setuju;konfirmasi;oke;betul
    vâng;đồng ý;xác nhận;dạ;có;ndiyo;ndio;sawa;thibitisha;हाँ;हां;हा;जी हाँ;जी;ठीक है;पक्का;haan;han;ha;haa;thik hai;theek hai
    हो;हुन्छ;ho;huncha;hunchha;hunxa;thik cha;thik chha;ठिक छ;ठीक छ;हजुर;hajur;হ্যাঁ;হা;ঠিক আছে;জি;نعم;ايوه;ايوا;اجل;موافق;تمام;اكيد;اوكي
    да;evet;👍;👌;✅;✔;☑;🆗";

const DECLINE: &str = "no;nope;nah;n;not now;no thanks;no thank you;never mind;nevermind;forget it;not this;wrong
    no gracias;não;nao obrigado;non;non merci;nein;nein danke;nee;nee bedankt;no grazie;tidak;nggak;gak;jangan;không;hapana
    नहीं;नही;nahi;nahin;मत;होइन;हुँदैन;हुन्न;छैन;hoina;hudaina;chaina;না;لا;нет;👎;❌;✖;🚫;⛔";

const CANCEL: &str = "cancel;cancel it;cancel that;cancel this;cancel order;cancel my order;cancel the order;cancel this order
    cancel that order;cancel last order;cancel my last order;stop order;i want to cancel;i want to cancel my order;call it off
    cancelar;cancela;cancelar pedido;cancelar el pedido;cancelar mi pedido;anular;anular pedido;cancelar o pedido;cancelar meu pedido
    annuler;annule;annuler la commande;annuler ma commande;abbrechen;stornieren;storno;bestellung stornieren;bestellung abbrechen
    annulla;annullare;annulla ordine;annulla l'ordine;annuleer;annuleren;bestelling annuleren;batal;batalkan;batalkan pesanan
    hủy;huỷ;hủy đơn;hủy đơn hàng;ghairi;futa agizo;रद्द;रद्द करो;रद्द करें;रद्द गर्नुस्;रद्द गर;कैंसिल;क्यान्सिल;cancel karo;cancel gara
    cancel garnus;বাতিল;বাতিল করুন;الغاء;الغاء الطلب;الغي الطلب";

const STATUS: &str = "status;order status;my order status;status of my order;status of order;where is my order;wheres my order
    where is order;track;track order;track my order;when will my order arrive;when does my order arrive;what about my order
    estado;estado del pedido;estado de mi pedido;dónde está mi pedido;onde está meu pedido;status do pedido;où est ma commande
    statut;suivi;suivi de commande;wo ist meine bestellung;bestellstatus;dove è il mio ordine;stato ordine;waar is mijn bestelling
    status pesanan;di mana pesanan saya;trạng thái;đơn hàng của tôi đâu;agizo langu liko wapi;मेरा ऑर्डर कहाँ है;ऑर्डर कहाँ है
    order kaha hai;order kahan hai;मेरो अर्डर कहाँ छ;अर्डर कहाँ पुग्यो;order kaha pugyo;mero order kaha cha;اين طلبي;حالة الطلب";

const RECENT: &str = "recent orders;recent;my recent orders;my orders;orders;order history;previous orders;past orders;last order
    my last order;show orders;show my orders;last orders;mis pedidos;pedidos;meus pedidos;mes commandes;meine bestellungen;i miei ordini
    mijn bestellingen;pesanan saya;đơn hàng;maagizo yangu;मेरे ऑर्डर;मेरा अर्डर;mera order;طلباتي";

const CATALOGUE: &str = "view catalog;view catalogue;catalog;catalogue;show catalog;show catalogue;see catalog;price list;pricelist;prices
    price;products;show products;list of products;list;rate list;rates;what do you have;what do you sell;what is available;whats available
    what can i order;menu;show menu;see menu;view menu;catálogo;ver catálogo;precios;lista de precios;carta;menú;productos;cardápio
    produtos;preços;carte;la carte;prix;katalog;speisekarte;karte;preise;preisliste;catalogo;prezzi;listino;catalogus;prijzen
    menukaart;daftar harga;harga;produk;bảng giá;thực đơn;giá;bei;orodha;orodha ya bei;सूची;दाम;रेट;मूल्य सूची;मूल्य;भाउ;মূল্য তালিকা;দাম
    قائمة;القائمة;الاسعار;المنتجات";

const CREDIT: &str = "check credit;credit;my credit;credit balance;balance;my balance;credit limit;check balance;check my credit;crédito
    saldo;mi saldo;meu saldo;solde;mon solde;guthaben;credito;tegoed;udhar;udharo;उधार;उधारो;मेरो उधारो;বাকি;رصيد;رصيدي";

const CHECKOUT: &str = "place order;place the order;place my order;place an order;checkout;check out;order now;finish;finish order;done
    thats all;that is all;thats it;that is it;nothing else;show order;show my order;show cart;show my cart;cart;view cart;my cart;basket
    my basket;summary;total;bill;what is the total;whats the total;how much;how much is it;my order;order
    finalizar;finalizar pedido;hacer pedido;eso es todo;es todo;nada más;ver carrito;carrito;mi pedido;cuánto es;fechar pedido
    só isso;é só isso;carrinho;meu pedido;valider;valider la commande;c'est tout;panier;mon panier;ma commande;zur kasse;das ist alles
    das wars;das war's;warenkorb;meine bestellung;ordina;concludi;è tutto;basta così;carrello;afrekenen;dat is alles;winkelwagen
    pesan sekarang;itu saja;sudah;keranjang;đặt hàng;vậy thôi;giỏ hàng;ni hayo tu;बस;बस इतना;यति हो;यति मात्र;bas;yati ho;এটুকুই;هذا كل شيء;بس";

const REORDER: &str = "same again;reorder;re order;repeat;repeat order;repeat my order;repeat last order;repeat my last order;same as last time
    same as before;the usual;usual;my usual;order again;same order;same order again;again;lo mismo;lo mismo de siempre;lo de siempre
    repetir;repetir pedido;o mesmo;o mesmo de sempre;repetir o pedido;la même chose;comme d'habitude;dasselbe nochmal;das gleiche nochmal
    nochmal;noch einmal;wie immer;lo stesso;il solito;come al solito;hetzelfde;nog een keer;pesan lagi;sama lagi;như cũ;đặt lại
    kama kawaida;फेरि त्यही;त्यही फेरि;वही दोबारा;फिर से;phir se;pheri tyahi;আবার একই;نفس الطلب;كالعادة";

const CLEAR: &str = "clear;clear all;start over;start again;start new;new order;empty;empty cart;empty my cart;clear cart;clear my cart;clear order
    clear my order;reset;restart;remove everything;remove all;delete all;delete everything;vaciar;vaciar carrito;empezar de nuevo
    borrar todo;limpar;limpar tudo;esvaziar carrinho;começar de novo;vider le panier;recommencer;tout supprimer;leeren;von vorne
    warenkorb leeren;alles löschen;svuota;svuota carrello;ricomincia;opnieuw;leegmaken;alles verwijderen;hapus semua;ulang;ulang dari awal
    xóa hết;làm lại;anza upya;futa yote;सबै हटाऊ;सबै हटाउनुस्;सब हटाओ;नयाँ अर्डर;সব মুছুন;امسح الكل;ابدأ من جديد";

const GREETING: &str = "hi;hello;hey;start;help;namaste;namaskar;नमस्ते;नमस्कार;hola;olá;oi;bonjour;salut;hallo;ciao;halo;xin chào;habari;jambo
    হ্যালো;مرحبا;السلام عليكم;good morning;good afternoon;good evening;hi there;hello there;👋;?";

#[cfg(test)]
mod tests;
