//! Texts of sign-ins, and the code that each tells or does not.

use super::*;

#[track_caller]
fn check(text: &str, expected: &[&str]) {
    let found: Vec<_> = codes([text]).into_iter().map(|code| code.value).collect();
    assert_eq!(found, expected, "{text:?}");
}

#[test]
fn codes_are_found() {
    check("Your sign-in code is 493 207", &["493207"]);
    check("Enter 493 207 to sign in. It is good for ten minutes.", &["493207"]);
    check("Enter this code to sign in:\n\n  493207\n\nIt is good for 10 minutes.", &["493207"]);
    check("Your verification code\n\n8 2 4 1 9 3\n\nExpires in 15 minutes", &["824193"]);
    check("G-482910 is your Google verification code.", &["G-482910"]);
    check("Code: K4TX9Q", &["K4TX9Q"]);
    check("Use XK4-P9Q as your one-time password", &["XK4-P9Q"]);
    check("Your PIN is 2024.", &["2024"]);
    check("Ihr Bestätigungscode lautet: 771 204", &["771204"]);
    check("Votre code de vérification est 55-1204 ou 551204", &["551204"]);
    check("您的验证码是493207，请勿泄露。", &["493207"]);
    check("Ваш код: 5512", &["5512"]);
    check("Confirmation code:\nABCDEF", &["ABCDEF"]);
    check("OTP 123-456", &["123-456"]);
    check("認証コード：９９８８７７", &["998877"]);
    check("رمز التحقق: ١٢٣٤٥٦", &["123456"]);
    check("Your code is 482\u{2009}913", &["482913"]);
    check("Your code is 48\u{200b}29\u{200b}13", &["482913"]);
    check("123456\nis your login code", &["123456"]);
    check("*Security code:* **004512**", &["004512"]);
    check(
        "Hello Bob,\nyour code:\n1111\nor the backup codes:\n22223333\n44445555",
        &["1111", "22223333", "44445555"],
    );
}

#[test]
fn what_to_do_with_it() {
    let sure = |text: &str| -> Vec<_> {
        codes([text]).into_iter().map(|code| (code.value, code.is_sure)).collect()
    };
    for text in [
        "Use 482 913 to sign in",
        "Use \"482913\" to log in to Example",
        "Enter 482913 to verify your address",
        "Utilisez 482913 pour vous connecter",
        "Используйте 482913, чтобы войти",
    ] {
        assert_eq!(sure(text), [("482913".to_owned(), true)], "{text}");
    }
    check("Use 482913 to get a discount", &[]);
    check("Use 2026 to sign in", &[]);
}

#[test]
fn numbers_of_documents() {
    check("Your code is INV-20261", &[]);
    check("Confirmation code for INV-20261: 998877", &["998877"]);
    check("Code: PO-12345", &[]);
    check("INV20261 is the code of your invoice", &[]);
    check("The invoice INV 20261 has a code", &[]);
    check("The code of ABC-12345 was sent to you", &[]);
    check("FB-12345 is your confirmation code", &["FB-12345"]);
    check("Your code: ABC-123", &["ABC-123"]);
}

#[test]
fn the_right_one_first() {
    check("OTP for card (XX1245) is 811739 (valid for 10 mins).", &["811739"]);
    check("PLEASE ENTER THE CODE BELOW TO VERIFY\n\n123456", &["123456"]);
    check("USE THIS CODE: 123456", &["123456"]);
    check("Code for your card ending in 4711: 902134", &["902134"]);
    check("Your code for account ****5518 is 73912", &["73912"]);
    check("482913 is your code for order 778812 of 2026-11-20", &["482913"]);
    check("The code for room 4021 is 8855. It was 1200 EUR.", &["8855"]);
    check("Use code 5512 to confirm the payment of INR 15000 at 1530 hrs", &["5512"]);
    check("Your verification code is k4tx9q", &["k4tx9q"]);
    check("Security code\n\naB3dE5", &["aB3dE5"]);
    check("Your code works with windows11 and lasts 15min", &[]);
    check("Your code is below.\nIt was sent on 2026-11-20", &[]);
}

#[test]
fn in_many_languages() {
    for text in [
        "Tu código de verificación es 123456",
        "Tu clave es: 123456",
        "Seu código de confirmação é 123456",
        "Votre code de connexion : 123456",
        "Ihr Anmeldecode lautet 123456",
        "Il tuo codice di verifica è 123456",
        "Je verificatiecode is 123456",
        "Twój kod weryfikacyjny to 123456",
        "Doğrulama kodunuz: 123456",
        "DOĞRULAMA KODU 123456",
        "Код подтверждения: 123456",
        "Ваш код — 123456",
        "Ваш код підтвердження: 123456",
        "Ο κωδικός σας είναι 123456",
        "קוד האימות שלך: 123456",
        "הקוד שלך הוא 123456",
        "رمز التحقق: 123456",
        "رمز التحقق الخاص بك هو 123456",
        "आपका सत्यापन कोड 123456 है",
        "Mã xác minh của bạn là 123456",
        "รหัสยืนยันของคุณคือ 123456",
        "您的验证码为123456",
        "驗證碼：123456",
        "認証番号：123456",
        "確認コードは123456です。",
        "인증 코드: 123456",
        "인증번호 [123456]를 입력하세요",
        "Din kod är 123456",
        "Kode verifikasi Anda adalah 123456",
        "Ověřovací kód: 123456",
    ] {
        let code = Code { value: "123456".into(), is_sure: true };
        assert_eq!(codes([text]), [code], "{text}");
    }
}

#[test]
fn other_numbers_are_left_alone() {
    for text in [
        "Order number 482910 has shipped",
        "Your order #482910 is on its way. Use promo code SAVE20 for the next one.",
        "ZIP code 90210",
        "Error code: 55012",
        "It is good for 15 minutes. The code of conduct of 2024 applies.",
        "Call us: +49 30 123 456 with your code at hand",
        "Total: 1234.56 EUR. Enter the code at the door.",
        "https://a.example/verify?code=493207",
        "https://a.example/code/493207",
        "The meeting is on 2026-11-20",
        "All 1204 tests passed. Coverage of code: 98.5%",
        "Copyright 2024 CODE Inc",
        "La mãe tem 123456",
        "Code of card ending in 4711",
        "KEEP YOUR CODE SECRET ALWAYS",
        "spinning 123456 decode 654321",
        "> Your code is 123456",
        "",
    ] {
        check(text, &[]);
    }
}

#[test]
fn of_all_texts_each_once() {
    let both = codes(["Your code is 123456", "<b>Your code</b>\n123456"]);
    assert_eq!(both, [Code { value: "123456".into(), is_sure: true }]);
    let many: String = (0..100).map(|n| format!("code: {}\n", 100_000 + n)).collect();
    assert_eq!(codes([many.as_str()]).len(), MOST_CODES);
    codes(["code ".repeat(1_000_000).as_str(), "1 ".repeat(1_000_000).as_str()]);
}
